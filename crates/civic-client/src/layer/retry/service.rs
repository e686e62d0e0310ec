//! The loop.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use civic_auth::CorrelationId;
use http::{Request, Response};
use tokio::time::{Instant, sleep, timeout_at};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::policy::{NotRetried, Outcome, RetryPolicy, Verdict};
use crate::error::Error;
use crate::options::UrlTemplate;

/// Tries again by the rules of a [`RetryPolicy`]. See the [module docs](super).
#[derive(Clone, Debug, Default)]
pub struct RetryLayer {
    policy: RetryPolicy,
}

impl RetryLayer {
    /// With this policy.
    #[must_use]
    pub const fn new(policy: RetryPolicy) -> Self {
        Self { policy }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry::new(inner, self.policy.clone())
    }
}

/// Tries again by the rules of a [`RetryPolicy`]. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    policy: RetryPolicy,
}

impl<S> Retry<S> {
    /// Around `inner`.
    pub const fn new(inner: S, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

/// Which attempt a request is, from 1; in the extensions of the request that the inner service gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    /// The number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What it took to get a response; in its extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempts {
    made: u32,
    not_retried: Option<NotRetried>,
}

impl Attempts {
    /// How many attempts were made.
    #[must_use]
    pub const fn made(self) -> u32 {
        self.made
    }

    /// Why there was no further one; `None` if the response is a success.
    #[must_use]
    pub const fn not_retried(self) -> Option<NotRetried> {
        self.not_retried
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Retry<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Error: Into<Error> + Send,
    S::Future: Send,
    ReqB: Clone + Send + 'static,
    ResB: Send + 'static,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = RetryFuture<ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // The clone is not ready; the instance that was polled has to be the one that is called.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        RetryFuture(Box::pin(run(inner, self.policy.clone(), request)))
    }
}

async fn run<S, ReqB, ResB>(
    mut inner: S,
    policy: RetryPolicy,
    request: Request<ReqB>,
) -> Result<Response<ResB>, Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
    ReqB: Clone,
{
    let start = Instant::now();
    let call = policy.call(&request);
    let mut attempt = 1;
    loop {
        let mut this = request.clone();
        this.extensions_mut().insert(AttemptNumber(attempt));
        let result = inner.call(this).await.map_err(Into::into);

        let outcome = Outcome::of(&result);
        let reason = match policy.judge(call, attempt - 1, outcome) {
            Verdict::Accept => None,
            Verdict::Stop(reason) => Some(reason),
            Verdict::Retry(wait) => {
                log_retry(&request, attempt, wait, &result);
                sleep(wait).await;
                match ready_again(&mut inner, call.deadline()).await {
                    Ok(()) => {
                        attempt += 1;
                        continue;
                    }
                    // Whatever is in the way there, what the peer said is worth more.
                    Err(reason) => Some(reason),
                }
            }
        };
        return match result {
            Ok(mut response) => {
                let made = Attempts {
                    made: attempt,
                    not_retried: reason,
                };
                response.extensions_mut().insert(made);
                Ok(response)
            }
            Err(error) => Err(error
                .with_attempts(attempt)
                .with_elapsed(start.elapsed())
                .with_not_retried(reason)),
        };
    }
}

/// A layer below may keep its callers waiting, where no timeout of an attempt sees it.
async fn ready_again<S, Req>(inner: &mut S, deadline: Option<Instant>) -> Result<(), NotRetried>
where
    S: Service<Req>,
{
    let ready = inner.ready();
    let ready = match deadline {
        Some(deadline) => timeout_at(deadline, ready)
            .await
            .map_err(|_| NotRetried::Deadline)?,
        None => ready.await,
    };
    ready.map(drop).map_err(|_| NotRetried::NotReady)
}

fn log_retry<ReqB, ResB>(
    request: &Request<ReqB>,
    attempt: u32,
    wait: Duration,
    result: &Result<Response<ResB>, Error>,
) {
    let (status, error) = match result {
        Ok(response) => (Some(response.status().as_u16()), None),
        Err(error) => (None, Some(error.kind().as_str())),
    };
    tracing::event!(
        target: "civic_client::retry",
        tracing::Level::WARN,
        http.request.method = request.method().as_str(),
        url.template = request.extensions().get::<UrlTemplate>().map(UrlTemplate::as_str),
        correlation_id = request.extensions().get::<CorrelationId>().map(CorrelationId::as_str),
        http.response.status_code = status,
        "error.type" = error,
        attempt,
        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "retrying"
    );
}

/// The future of [`Retry`].
pub struct RetryFuture<ResB>(Pin<Box<dyn Future<Output = Result<Response<ResB>, Error>> + Send>>);

impl<ResB> fmt::Debug for RetryFuture<ResB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryFuture")
    }
}

impl<ResB> Future for RetryFuture<ResB> {
    type Output = Result<Response<ResB>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
