//! Looks for a key, and calls the inner service at once if there is none.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_envelope::inner_accessors;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::layer::idempotency::body::IdempotencyBody;
use crate::layer::idempotency::exchange::Exchange;
use crate::layer::idempotency::future::IdempotencyFuture;
use crate::layer::idempotency::key::Key;
use crate::layer::idempotency::request_body::IdempotencyRequestBody;
use crate::layer::idempotency::scope::Scope;
use crate::layer::idempotency::settings::{Settings, WithoutKey};
use crate::layer::idempotency::verdict::IdempotencyVerdict;
use crate::service::LockService;

/// Executes one request per `Idempotency-Key`, and gives its answer to all others. The service of
/// [`IdempotencyLayer`](super::IdempotencyLayer).
#[derive(Clone)]
pub struct Idempotency<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Idempotency<S> {
    /// Wraps `inner`, with the defaults of [`IdempotencyLayer`](super::IdempotencyLayer).
    pub fn new(
        inner: S,
        locks: &LockService,
        scope: impl Fn(&Parts) -> Option<Scope> + Send + Sync + 'static,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings::new(locks, scope, spawn);
        Self::with_settings(inner, Arc::new(settings))
    }

    pub(super) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Idempotency<S>
where
    S: Service<Request<IdempotencyRequestBody<ReqB>>, Response = Response<ResB>>
        + Clone
        + Send
        + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<Box<dyn StdError + Send + Sync>>,
    ResB: Body<Data = Bytes> + Send + 'static,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<IdempotencyBody<ResB>>;
    type Error = S::Error;
    type Future = IdempotencyFuture<S::Future, ResB, S::Error>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let settings = &self.settings;
        let (head, body) = request.into_parts();
        let keyed = match key_of(settings, &head) {
            Ok(None) => {
                let body = IdempotencyRequestBody::passed(body);
                let request = Request::from_parts(head, body);
                return IdempotencyFuture::passed(self.inner.call(request));
            }
            Ok(Some(keyed)) => Ok(keyed),
            Err(verdict) => Err(verdict),
        };
        let correlation_id = (settings.correlation_id)(&head);
        let (key, scope) = match keyed {
            Ok(keyed) => keyed,
            Err(verdict) => {
                let response = verdict.into_response(settings.retry_after, correlation_id);
                return IdempotencyFuture::keyed(std::future::ready(Ok(response)));
            }
        };
        // The instance that was polled ready is the one to be called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let exchange = Exchange {
            settings: settings.clone(),
            record: scope.record_name(&key),
            correlation_id,
        };
        IdempotencyFuture::keyed(exchange.answer(ready, head, body))
    }
}

impl<S: fmt::Debug> fmt::Debug for Idempotency<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Returns the key of a request and its scope; `None` for a request that passes untouched.
fn key_of(settings: &Settings, head: &Parts) -> Result<Option<(Key, Scope)>, IdempotencyVerdict> {
    if head.method.is_safe() {
        return Ok(None);
    }
    match Key::of(&head.headers) {
        Err(reason) => Err(IdempotencyVerdict::MalformedKey { reason }),
        Ok(None) => match settings.without_key {
            WithoutKey::LetIn => Ok(None),
            WithoutKey::Refuse => Err(IdempotencyVerdict::MissingKey),
        },
        Ok(Some(key)) => match (settings.scope)(head) {
            Some(scope) => Ok(Some((key, scope))),
            None => Err(IdempotencyVerdict::NoScope),
        },
    }
}
