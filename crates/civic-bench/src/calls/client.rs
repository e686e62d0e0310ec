//! The clients that are compared. Each sends a token and takes the rows out of the envelope.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{Secret, TokenMinter};
use civic_client::transport::Http2;
use civic_client::{ServiceClient, TransportConfig};
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jsonwebtoken::{EncodingKey, Header};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use serde::Serialize;
use serde_json::Value;

use crate::work::{Declared, Property};

const SECRET: &str = "a secret for benchmarks, 32 bytes or more";
/// For how long every client keeps an unused connection: longer than a run lasts.
const IDLE: Duration = Duration::from_secs(600);
/// Longer than it takes to measure what is in flight.
const HELD: Duration = Duration::from_secs(120);
/// More than are ever in flight.
const CONNECTIONS: usize = 20_000;

/// Which client it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `ServiceClient` with all of its defaults.
    Civic,
    /// The same over HTTP/2.
    CivicHttp2,
    /// hyper-util's client with a token that was made before, and a typed parse.
    Hyper,
    /// reqwest with a token that was made before, and its `json::<T>()`.
    Reqwest,
    /// reqwest with reqwest-middleware, reqwest-retry, `jsonwebtoken::encode`, and a `Value`.
    Assembled,
}

/// Lists every client that speaks HTTP/1.1.
pub const KINDS: [Kind; 4] = [Kind::Civic, Kind::Hyper, Kind::Reqwest, Kind::Assembled];

impl Kind {
    /// Returns the client of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut kinds = KINDS.into_iter().chain([Self::CivicHttp2]);
        kinds.find(|kind| kind.name() == name)
    }

    /// Returns the name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Civic => "civic",
            Self::CivicHttp2 => "civic over HTTP/2",
            Self::Hyper => "hyper-util, typed parse",
            Self::Reqwest => "reqwest",
            Self::Assembled => "reqwest, middleware, retry, encode, Value",
        }
    }
}

/// A client for one peer.
#[derive(Clone)]
pub struct Client {
    base: String,
    inner: Inner,
}

#[derive(Clone)]
enum Inner {
    Civic(ServiceClient),
    Hyper(legacy::Client<HttpConnector, Empty<Bytes>>, String),
    Reqwest(reqwest::Client, String),
    Assembled(ClientWithMiddleware, EncodingKey),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish()
    }
}

impl Client {
    /// Makes a client for the peer at this URL.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn new(kind: Kind, base: &str) -> Self {
        let minter = TokenMinter::new(Secret::new(SECRET).expect("it is long enough"));
        let config = TransportConfig::new()
            .with_idle_timeout(IDLE)
            .with_max_idle(CONNECTIONS)
            .with_max_connections(CONNECTIONS);
        let civic = |config| {
            let client = ServiceClient::builder(base).minter(minter.clone());
            let client = client.transport(config).build();
            Inner::Civic(client.expect("the URL is valid"))
        };
        let inner = match kind {
            Kind::Civic => civic(config),
            Kind::CivicHttp2 => {
                civic(config.with_http2(Http2::prior_knowledge().with_idle_timeout(IDLE)))
            }
            Kind::Hyper => {
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                let client = legacy::Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE)
                    .build(connector);
                Inner::Hyper(client, format!("Bearer {}", minter.mint().as_str()))
            }
            Kind::Reqwest => Inner::Reqwest(
                reqwest_client(),
                format!("Bearer {}", minter.mint().as_str()),
            ),
            Kind::Assembled => {
                let policy = ExponentialBackoff::builder().build_with_max_retries(2);
                let client = ClientBuilder::new(reqwest_client())
                    .with(RetryTransientMiddleware::new_with_policy(policy))
                    .build();
                Inner::Assembled(client, EncodingKey::from_secret(SECRET.as_bytes()))
            }
        };
        Self {
            base: base.to_owned(),
            inner,
        }
    }

    /// Calls `/rows/<number>`, and returns the number of rows in the answer.
    ///
    /// # Panics
    ///
    /// If the call fails: nothing here is meant to.
    pub async fn rows(&self, number: usize) -> usize {
        let rows: Vec<Property> = match &self.inner {
            Inner::Civic(client) => client
                .get("/rows/{number}")
                .param("number", number)
                .fetch()
                .await
                .expect("the call succeeds"),
            Inner::Hyper(client, token) => {
                let request = Request::get(self.url(number))
                    .header(AUTHORIZATION, token)
                    .body(Empty::new())
                    .expect("the request is valid");
                let response = client.request(request).await.expect("the call succeeds");
                assert!(response.status().is_success());
                let body = response.into_body().collect().await.expect("it is whole");
                parse(&body.to_bytes())
            }
            Inner::Reqwest(client, token) => {
                let response = client
                    .get(self.url(number))
                    .header(AUTHORIZATION, token)
                    .send()
                    .await
                    .expect("the call succeeds");
                assert!(response.status().is_success());
                let declared: Declared<Vec<Property>> =
                    response.json().await.expect("it is an envelope");
                declared.data
            }
            Inner::Assembled(client, key) => {
                let token = jsonwebtoken::encode(&Header::default(), &Claims::new(), key)
                    .expect("it encodes");
                let response = client
                    .get(self.url(number))
                    .header(AUTHORIZATION, format!("Bearer {token}"))
                    .timeout(Duration::from_secs(10))
                    .send()
                    .await
                    .expect("the call succeeds");
                assert!(response.status().is_success());
                let mut whole: Value = response.json().await.expect("it is JSON");
                serde_json::from_value(whole["data"].take()).expect("they are rows")
            }
        };
        rows.len()
    }

    /// Calls a route that does not answer.
    pub(super) async fn held(&self) {
        let url = format!("{}/hold", self.base);
        match &self.inner {
            Inner::Civic(client) => {
                let _ = client.get("/hold").timeout(HELD).send().await;
            }
            Inner::Hyper(client, token) => {
                let request = Request::get(url)
                    .header(AUTHORIZATION, token)
                    .body(Empty::new())
                    .expect("the request is valid");
                // As every service does.
                let _ = tokio::time::timeout(HELD, client.request(request)).await;
            }
            Inner::Reqwest(client, token) => {
                let request = client.get(url).header(AUTHORIZATION, token);
                let _ = request.timeout(HELD).send().await;
            }
            Inner::Assembled(client, key) => {
                let token = jsonwebtoken::encode(&Header::default(), &Claims::new(), key)
                    .expect("it encodes");
                let request = client
                    .get(url)
                    .header(AUTHORIZATION, format!("Bearer {token}"));
                let _ = request.timeout(HELD).send().await;
            }
        }
    }

    /// Asks how many calls the peer does not answer.
    pub(super) async fn number_held(&self) -> usize {
        let Inner::Hyper(client, _) = &self.inner else {
            panic!("only one client asks");
        };
        let uri = format!("{}/held", self.base);
        let uri = uri.parse().expect("the URL is valid");
        let response = client.get(uri).await.expect("the call succeeds");
        let body = response.into_body().collect().await.expect("it is whole");
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("it is text");
        text.parse().expect("it is a number")
    }

    fn url(&self, number: usize) -> String {
        format!("{}/rows/{number}", self.base)
    }
}

fn parse(body: &[u8]) -> Vec<Property> {
    serde_json::from_slice::<Declared<Vec<Property>>>(body)
        .expect("it is an envelope")
        .data
}

fn reqwest_client() -> reqwest::Client {
    reqwest::Client::builder()
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .build()
        .expect("a client can be made")
}

/// The claims of a service, as each service beside ours declares them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: &'static str,
    email: &'static str,
    role: &'static str,
    municipality_id: &'static str,
    name: &'static str,
    iat: u64,
    exp: u64,
}

impl Claims {
    fn new() -> Self {
        let iat = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            user_id: "00000000-0000-0000-0000-000000000000",
            email: "service@internal",
            role: "SERVICE_ACCOUNT",
            municipality_id: "internal",
            name: "Internal Service",
            iat,
            exp: iat + 30,
        }
    }
}
