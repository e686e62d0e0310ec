//! Takes a lock before it calls the inner service.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::layer::body::{BoxError, LockBody};
use crate::layer::future::{ResponseFuture, State};
use crate::layer::settings::Settings;

/// The service of [`LockLayer`].
#[derive(Clone)]
pub struct Lock<S> {
    inner: S,
    settings: Arc<Settings>,
}

// ===== impl Lock =====

impl<S> Lock<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Lock<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<LockBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB>;

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
                let lock = settings.locks.lock(key, settings.ttl);
                State::Acquiring {
                    acquiring: Box::pin(lock.take()),
                    inner: Some(ready),
                    request: Some(request),
                }
            }
        };
        ResponseFuture::new(state, correlation_id, settings.retry_after)
    }
}

impl<S: fmt::Debug> fmt::Debug for Lock<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

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
