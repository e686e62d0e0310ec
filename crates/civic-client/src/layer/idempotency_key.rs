//! `Idempotency-Key`: one key a call, the same on each attempt.
//!
//! Every POST and PATCH gets a fresh UUID as a structured-field string, **with its quotes** (RFC 8941,
//! 3.3.3, as draft-ietf-httpapi-idempotency-key-header has it), so that a peer that honours the header can
//! recognise a repeated request. A key that is already there is left alone. Other methods get none: they
//! are idempotent by definition.
//!
//! Belongs outside of the retry layer; inside, each attempt would get a key of its own. The key does not
//! make the call replayable: only the caller knows whether the peer honours it, and says so by giving a key
//! or by declaring the call idempotent.

use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Method, Request};
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

/// The header's name.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Gives every POST and PATCH an `Idempotency-Key`. See the [module docs](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct IdempotencyKeyLayer {
    _private: (),
}

impl IdempotencyKeyLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = IdempotencyKey<S>;

    fn layer(&self, inner: S) -> IdempotencyKey<S> {
        IdempotencyKey { inner }
    }
}

/// Gives every POST and PATCH an `Idempotency-Key`. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct IdempotencyKey<S> {
    inner: S,
}

/// Marks a request whose key nobody but this layer vouches for.
#[derive(Clone, Copy, Debug)]
struct MadeUp;

impl<S, B> Service<Request<B>> for IdempotencyKey<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let wanted = matches!(*request.method(), Method::POST | Method::PATCH);
        if wanted
            && !request.headers().contains_key(IDEMPOTENCY_KEY)
            && let Some(key) = quoted(&Uuid::new_v4().to_string())
        {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
            request.extensions_mut().insert(MadeUp);
        }
        self.inner.call(request)
    }
}

/// A structured-field string; `None` if the text has a character that such a string cannot hold.
pub(crate) fn quoted(key: &str) -> Option<HeaderValue> {
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if key.is_empty() || !printable {
        return None;
    }
    let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("\"{escaped}\"")).ok()
}

/// Whether the caller gave a key, and so says that the peer deduplicates.
pub(crate) fn has_callers_key<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(IDEMPOTENCY_KEY)
        && request.extensions().get::<MadeUp>().is_none()
}
