//! On whose behalf a service calls, over several hops.

mod audit;
mod forged;
mod hops;
mod requirements;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::{hkdf, hmac};
use bytes::Bytes;
use civic_auth::{
    AuthLayer, CorrelationIdLayer, InternalHeadersLayer, OnBehalfOf, Principal, RequireTenantLayer,
    TransactionTokens,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, NOW, SECRET, bearer, minter, secret, sign, verifier};

const TXN_TOKEN: &str = "txn-token";

const HEADER: &str = r#"{"alg":"HS256","typ":"txntoken+jwt"}"#;

fn tokens(service: &str) -> TransactionTokens {
    TransactionTokens::from_secrets(secret(), service)
        .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

/// The key that is derived from a secret for this purpose.
fn derived(secret: &str, purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret.as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .expect("a key");
    key
}

fn forge(header: &str, claims: &str) -> String {
    let key = derived(SECRET, "civic txn-token v1");
    sign(hmac::HMAC_SHA256, &key, header, claims)
}

/// The claims of a token for the clerk, with one of them replaced.
fn claims(name: &str, value: &str) -> String {
    let members = [
        ("iat", NOW.to_string()),
        ("exp", (NOW + 300).to_string()),
        ("aud", r#""internal""#.to_owned()),
        ("txn", r#""req-1""#.to_owned()),
        (
            "sub",
            r#""9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11""#.to_owned(),
        ),
        ("scope", r#""internal""#.to_owned()),
        ("req_wl", r#""desk""#.to_owned()),
        (
            "tctx",
            r#"{"role":"TAX_CLERK","municipality":"town-1","name":"Zoë"}"#.to_owned(),
        ),
    ];
    let members: Vec<String> = members
        .into_iter()
        .filter(|(member, _)| *member != name || !value.is_empty())
        .map(|(member, own)| {
            let value = if member == name {
                value.to_owned()
            } else {
                own
            };
            format!("\"{member}\":{value}")
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A service that can be called.
#[derive(Clone)]
struct Peer(BoxCloneService<Request<Empty<Bytes>>, StatusCode, BoxError>);

impl Peer {
    fn new<S>(service: S) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = StatusCode> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self(BoxCloneService::new(service.map_err(Into::into)))
    }
}

/// What the last service of a chain has seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Principal, HeaderMap)>>>);

impl Seen {
    fn last(&self) -> (Principal, HeaderMap) {
        let seen = self.0.lock().expect("no test panics in between");
        seen.last().cloned().expect("it was called")
    }

    fn user(&self) -> Option<OnBehalfOf> {
        self.last().0.on_behalf_of().cloned()
    }
}

fn guard(service: &str) -> AuthLayer {
    AuthLayer::new(verifier()).with_transactions(tokens(service))
}

/// The last service, whose route needs a tenant.
fn last(seen: &Seen) -> Peer {
    let seen = seen.clone();
    Peer::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.status())
            .layer(CorrelationIdLayer::new())
            .layer(guard("last"))
            .layer(RequireTenantLayer::new())
            .service_fn(move |request: Request<Empty<Bytes>>| {
                let principal = request.extensions().get::<Principal>().cloned();
                let headers = request.headers().clone();
                let seen = Arc::clone(&seen.0);
                seen.lock()
                    .expect("no test panics in between")
                    .push((principal.expect("the guard has set it"), headers));
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            }),
    )
}

/// A service that admits with this guard, and whose handler calls the next one without doing
/// anything for the token.
fn hop(guard: AuthLayer, next: Peer) -> Peer {
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter()))
        .service(next.0);
    Peer::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.status())
            .layer(CorrelationIdLayer::new())
            .layer(guard)
            .service_fn(move |_: Request<Empty<Bytes>>| {
                let client = client.clone();
                Box::pin(async move {
                    let status = client.oneshot(Request::new(Empty::new())).await?;
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = status;
                    Ok::<_, BoxError>(response)
                }) as Pin<Box<dyn Future<Output = Result<_, _>> + Send>>
            }),
    )
}

async fn call(peer: Peer, headers: HeaderMap) -> u16 {
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers;
    peer.0.oneshot(request).await.expect("an answer").as_u16()
}

fn clerk() -> HeaderMap {
    let mut headers = bearer(Claims::user().token());
    headers.insert("x-correlation-id", HeaderValue::from_static("req-1"));
    headers
}
