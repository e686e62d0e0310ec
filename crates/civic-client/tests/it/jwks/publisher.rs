//! A publisher of keys in this process.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{KeySet, SigningKey};
use civic_client::{Body, ServiceClient};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::{BoxError, service_fn};

/// An answer of a publisher. Without a response it is a connection that breaks off.
pub(super) struct Answer(Option<Response<UnsyncBoxBody<Bytes, BoxError>>>);

/// A publisher that answers what it was told to answer last, and notes each request. Clones are the
/// same publisher.
#[derive(Clone)]
pub(super) struct Publisher(Arc<Mutex<State>>);

struct State {
    says: Arc<dyn Fn(&Fetch) -> Answer + Send + Sync>,
    delay: Duration,
    fetches: Vec<Fetch>,
}

/// A request for the set.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// How many came before.
    pub(super) number: usize,
}

impl Publisher {
    pub(super) fn new(json: impl Into<String>) -> Self {
        civic_testkit::log::install();
        let this = Self(Arc::new(Mutex::new(State {
            says: Arc::new(|_| Answer(None)),
            delay: Duration::ZERO,
            fetches: Vec::new(),
        })));
        this.publish(json);
        this
    }

    /// Publishes the public halves of these keys.
    pub(super) fn of(keys: &[&SigningKey]) -> Self {
        Self::new(set(keys))
    }

    pub(super) fn publish(&self, json: impl Into<String>) {
        let json = json.into();
        self.answer(move |_| json_answer(json.clone(), &[]));
    }

    pub(super) fn answer(&self, says: impl Fn(&Fetch) -> Answer + Send + Sync + 'static) {
        self.state().says = Arc::new(says);
    }

    /// Breaks every connection off.
    pub(super) fn fail(&self) {
        self.answer(|_| Answer(None));
    }

    /// Takes this long for each answer.
    pub(super) fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    pub(super) fn fetches(&self) -> Vec<Fetch> {
        self.state().fetches.clone()
    }

    /// Forgets the requests that came before.
    pub(super) fn forget(&self) {
        self.state().fetches.clear();
    }

    pub(super) fn client(&self) -> ServiceClient {
        let this = self.clone();
        let peer = service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move {
                let (says, fetch, delay) = this.note(&request);
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                let Answer(response) = says(&fetch);
                response.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
            }
        });
        ServiceClient::builder("https://billing.example")
            .anonymous()
            .build_in_process(peer)
            .expect("a client")
    }

    fn note(
        &self,
        request: &Request<Body>,
    ) -> (Arc<dyn Fn(&Fetch) -> Answer + Send + Sync>, Fetch, Duration) {
        let mut state = self.state();
        let fetch = Fetch {
            at: Instant::now(),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            number: state.fetches.len(),
        };
        state.fetches.push(fetch.clone());
        (Arc::clone(&state.says), fetch, state.delay)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the set of the public halves of these keys.
pub(super) fn set(keys: &[&SigningKey]) -> String {
    let keys: KeySet = keys
        .iter()
        .map(|key| key.public_key().expect("not a secret"))
        .collect();
    keys.to_jwks_json()
}

/// Returns a 200 with this set, and with these headers.
pub(super) fn json_answer(json: String, headers: &[(&str, &str)]) -> Answer {
    let content_type = ("content-type", "application/jwk-set+json");
    answer(200, &[&[content_type], headers].concat(), json)
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    streamed(
        status,
        headers,
        Full::new(body.into()).map_err(|never| match never {}),
    )
}

pub(super) fn streamed<B>(status: u16, headers: &[(&str, &str)], body: B) -> Answer
where
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Answer(Some(
        response.body(body.boxed_unsync()).expect("a response"),
    ))
}
