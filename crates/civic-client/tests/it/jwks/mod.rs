//! Key sets that are fetched over HTTP, on a clock that stands still.

mod builder;
mod faults;
mod new_keys;
mod outages;
mod publisher;
mod refresh;
mod storms;
mod succession;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use civic_auth::{
    Algorithm, AuthError, AuthLayer, Cause, KeySource, SigningKey, TokenMinter, TokenVerifier,
};
use civic_client::jwks::{JwksEvent, JwksSource, JwksSourceBuilder};
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use self::publisher::Publisher;

/// The service whose keys are fetched.
const ISSUER: &str = "billing";

const HOUR: Duration = Duration::from_secs(3600);

fn key(id: &str) -> SigningKey {
    let pem = SigningKey::generate_pem(Algorithm::EdDsa).expect("random numbers");
    let key = SigningKey::from_pem(pem.as_str()).and_then(|key| key.with_id(id));
    key.expect("a key")
}

/// A wall clock that moves with tokio's.
fn clock() -> impl Fn() -> SystemTime + Clone + Send + Sync + 'static {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let epoch = *START.get_or_init(std::time::Instant::now);
    move || {
        let now = Instant::now().into_std();
        SystemTime::UNIX_EPOCH
            + Duration::from_secs(1_795_000_000)
            + now.saturating_duration_since(epoch)
    }
}

fn minter(key: &SigningKey) -> TokenMinter {
    TokenMinter::new(key.clone())
        .with_issuer(ISSUER)
        .with_clock(clock())
}

/// Starts a source whose publisher is this one.
fn source(publisher: &Publisher) -> JwksSourceBuilder {
    JwksSourceBuilder::new(publisher.client(), ISSUER)
}

/// Starts a source, and waits for its first set.
async fn ready(publisher: &Publisher) -> (JwksSource, Callee) {
    let keys = source(publisher).start().expect("a source");
    keys.ready().await;
    (keys.clone(), Callee::new(keys))
}

/// A service behind a guard.
#[derive(Clone)]
struct Callee(AuthLayer);

/// What became of a call.
#[derive(Debug)]
struct Outcome {
    status: u16,
    cause: Option<Cause>,
    retry_after: Option<HeaderValue>,
    took: Duration,
}

impl Callee {
    fn new(keys: impl KeySource + 'static) -> Self {
        let verifier = TokenVerifier::from_source(keys).with_clock(clock());
        Self(AuthLayer::new(verifier))
    }

    /// Calls it with a token that this key has made now.
    async fn call(&self, key: &SigningKey) -> Outcome {
        self.call_with(minter(key).mint().as_str()).await
    }

    async fn call_with(&self, token: &str) -> Outcome {
        let handler = service_fn(|_: Request<Empty<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let request = Request::builder()
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new())
            .expect("a request");
        let start = Instant::now();
        let answer = self.0.layer(handler).oneshot(request).await;
        let answer = answer.expect("infallible");
        Outcome {
            status: answer.status().as_u16(),
            cause: answer
                .extensions()
                .get()
                .map(|error: &AuthError| error.cause()),
            retry_after: answer.headers().get("retry-after").cloned(),
            took: start.elapsed(),
        }
    }

    #[track_caller]
    fn accepts(&self, key: &SigningKey) -> impl Future<Output = ()> + use<> {
        let (this, key) = (self.clone(), key.clone());
        let caller = std::panic::Location::caller();
        async move {
            let outcome = this.call(&key).await;
            assert_eq!(
                (outcome.status, outcome.took),
                (200, Duration::ZERO),
                "{caller}"
            );
        }
    }
}

/// The events of a source, as text.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn observer(&self) -> impl Fn(&JwksEvent<'_>) + Send + Sync + 'static {
        let this = self.clone();
        move |event| {
            let text = match event {
                JwksEvent::Confirmed => "confirmed".to_owned(),
                JwksEvent::Replaced { added, removed } => format!("+{added:?} -{removed:?}"),
                JwksEvent::KeyChanged { id } => format!("changed {id}"),
                JwksEvent::Failed { error, failures } => format!("failed {failures}: {error}"),
                other => format!("{other:?}"),
            };
            let mut events = this.0.lock().unwrap_or_else(PoisonError::into_inner);
            events.push(text);
        }
    }

    /// Returns what has been told since it was asked last.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
