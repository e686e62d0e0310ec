//! Acquires a lock, and then calls the inner service.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::inner_accessors;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::error::Error;
use crate::layer::lock::body::LockBody;
use crate::layer::lock::future::{LockFuture, State};
use crate::layer::lock::settings::Settings;
use crate::service::LockService;

/// Lets one request per key in. The service of [`LockLayer`](super::LockLayer).
#[derive(Clone)]
pub struct Lock<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Lock<S> {
    /// Wraps `inner`, with the defaults of [`LockLayer`](super::LockLayer).
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if the ttl is not 500 ms to 7 days.
    pub fn new(
        inner: S,
        locks: &LockService,
        ttl: Duration,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let settings = Arc::new(Settings::new(locks, ttl, key)?);
        Ok(Self::with_settings(inner, settings))
    }

    pub(super) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Lock<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<LockBody<ResB>>;
    type Error = S::Error;
    type Future = LockFuture<S, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let settings = &self.settings;
        let (head, body) = request.into_parts();
        let key = (settings.key)(&head).map(|key| encoded(&key));
        let correlation_id = key.as_ref().and_then(|_| (settings.correlation_id)(&head));
        let request = Request::from_parts(head, body);
        let state = match key {
            None => State::Unlocked {
                running: self.inner.call(request),
            },
            Some(key) => {
                // The instance that was polled ready is the one to be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                let lock = settings.locks.request(key, settings.ttl);
                State::Acquiring {
                    acquiring: Box::pin(lock.acquire()),
                    inner: Some(ready),
                    request: Some(request),
                }
            }
        };
        LockFuture::new(state, correlation_id, settings.retry_after)
    }
}

impl<S: fmt::Debug> fmt::Debug for Lock<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Percent-encodes what a lock name may not contain.
fn encoded(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        if c.is_control() || "{}%".contains(c) {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(name, "%{byte:02X}");
            }
        } else {
            name.push(c);
        }
    }
    name
}
