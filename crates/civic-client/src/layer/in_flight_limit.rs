//! A limit on the calls under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use civic_envelope::inner_accessors;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::options::CallOptions;
use crate::streaming::StreamSlot;
use crate::transmission::Transmission;

/// Limits how many calls are under way at once.
///
/// A call beyond the limit waits inside its future, in the order of arrival, until its deadline and
/// at most for the time of [`with_max_wait`](Self::with_max_wait); then it ends with
/// [`ErrorKind::Deadline`] or [`ErrorKind::Overloaded`], and was never sent. A call is under way
/// until the inner future has completed or is dropped: above
/// [`CollectBodyLayer`](super::CollectBodyLayer) that includes the last byte of the body. One whose
/// body is read as a stream ([`send_stream`](crate::RequestBuilder::send_stream)) is under way
/// until the stream has ended or is dropped.
///
/// Unlike that of tower, the limit does not wait in `poll_ready`, where no timeout and no deadline
/// would see it. All services that one layer makes share its limit.
///
/// The layer belongs outside of the retry layer: what waits there occupies no attempt.
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    permits: Arc<Semaphore>,
    max_wait: Duration,
}

impl InFlightLimitLayer {
    /// Creates a layer that lets at most `max` calls be under way. None counts as one.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))),
            max_wait: Duration::from_secs(10),
        }
    }

    /// Sets how long a call waits at most.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        InFlightLimit::new(inner, self.clone())
    }
}

/// Limits how many calls are under way at once, as [`InFlightLimitLayer`] describes.
#[derive(Clone, Debug)]
pub struct InFlightLimit<S> {
    inner: S,
    limit: InFlightLimitLayer,
}

impl<S> InFlightLimit<S> {
    /// Creates a service whose calls of `inner` count against the limit of `layer`.
    pub const fn new(inner: S, layer: InFlightLimitLayer) -> Self {
        Self {
            inner,
            limit: layer,
        }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for InFlightLimit<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Error: Into<Error>,
    S::Future: Send,
    ReqB: Send + 'static,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = InFlightLimitFuture<ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // The clone is not ready: the instance that was polled has to be the one that is called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let InFlightLimitLayer { permits, max_wait } = self.limit.clone();
        InFlightLimitFuture(Box::pin(async move {
            let deadline = CallOptions::of(request.extensions()).deadline();
            // A wait that cannot be represented is bounded by the deadline alone.
            let patience = Instant::now().checked_add(max_wait);
            let (until, kind) = match (deadline, patience) {
                (Some(deadline), Some(patience)) if patience < deadline => {
                    (Some(patience), ErrorKind::Overloaded)
                }
                (Some(deadline), _) => (Some(deadline), ErrorKind::Deadline),
                (None, patience) => (patience, ErrorKind::Overloaded),
            };
            let permit = match until {
                Some(until) => timeout_at(until, permits.acquire_owned())
                    .await
                    .map_err(|_| {
                        Error::new(kind)
                            .with_transmission(Transmission::NotSent)
                            .with_detail("too many calls are under way")
                    })?,
                None => permits.acquire_owned().await,
            };
            let response = inner.call(request).await.map_err(Into::into)?;
            // A body that is read as it arrives belongs to the call.
            if let (Some(slot), Ok(permit)) = (StreamSlot::of(response.extensions()), permit) {
                slot.hold(permit);
            }
            Ok(response)
        }))
    }
}

/// The future of [`InFlightLimit`].
pub struct InFlightLimitFuture<ResB>(
    Pin<Box<dyn Future<Output = Result<Response<ResB>, Error>> + Send>>,
);

impl<ResB> fmt::Debug for InFlightLimitFuture<ResB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlightLimitFuture")
    }
}

impl<ResB> Future for InFlightLimitFuture<ResB> {
    type Output = Result<Response<ResB>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
