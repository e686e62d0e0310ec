//! The loop over the attempts of a call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use civic_auth::CorrelationId;
use civic_envelope::inner_accessors;
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::{EarlierAttempts, Unrepeatable};
use crate::body::is_begun;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::retry::admission::{Refusal, admitted};
use crate::layer::retry::attempts::{AttemptNumber, Attempts};
use crate::layer::retry::call::Call;
use crate::layer::retry::event::{RetryDecision, RetryEvent};
use crate::layer::retry::outcome::Outcome;
use crate::layer::retry::policy::{Cost, RetryPolicy, Verdict};
use crate::layer::retry::rate_limit::Told;
use crate::layer::retry::route_name::RouteName;
use crate::not_retried::NotRetried;
use crate::transport::Tried;
use crate::url_template::UrlTemplate;

/// Retries calls according to a [`RetryPolicy`].
///
/// An attempt is one call of the inner service. In the default stack, an attempt is the whole
/// exchange, including the response body, under its own timeout. Each attempt gets a clone of the
/// request, with the headers and extensions that the request had when it entered the layer, and
/// with an [`AttemptNumber`].
///
/// The call always returns the outcome of its last attempt, even if the inner service fails to
/// become ready for a retry. The number of attempts, and why there was no further one, are in the
/// [`Error`], or in the response's extensions as [`Attempts`].
///
/// A [`Body`](crate::Body) that is a stream is sent at most once: once a part of it has passed,
/// there is no further attempt.
///
/// `poll_ready` only polls the inner service.
#[derive(Clone, Debug, Default)]
pub struct RetryLayer {
    policy: RetryPolicy,
}

impl RetryLayer {
    /// Creates a layer that retries according to `policy`.
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

/// Retries calls, as [`RetryLayer`] describes.
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    policy: Arc<RetryPolicy>,
}

impl<S> Retry<S> {
    /// Wraps `inner`, and retries its calls according to `policy`.
    pub fn new(inner: S, policy: RetryPolicy) -> Self {
        Self {
            inner,
            policy: Arc::new(policy),
        }
    }

    inner_accessors!();
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
        // Call the instance that was polled; its clone may not be ready.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        RetryFuture(Box::pin(run(inner, Arc::clone(&self.policy), request)))
    }
}

async fn run<S, ReqB, ResB>(
    mut inner: S,
    policy: Arc<RetryPolicy>,
    request: Request<ReqB>,
) -> Result<Response<ResB>, Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
    ReqB: Clone + 'static,
{
    let start = Instant::now();
    let call = policy.call(&request);
    let tried = Tried::default();
    let peer = request.uri().authority();
    policy.memory().called(peer);
    let route = RouteName::of(&request);
    let admitted_first = match call.longest_wait() {
        Some(_) => admitted(&policy, call, peer, &route).await,
        None => Err(Refusal::Deadline),
    };
    let mut ticket = match admitted_first {
        Ok(ticket) => ticket,
        Err(refusal) => {
            let error = refusal.error();
            let ended = (None, Some(error.kind()));
            let decision = RetryDecision::Stop(refusal.reason());
            policy.observe(&event(&request, 0, ended, decision));
            return Err(error);
        }
    };
    let mut attempt = 1;
    // How many attempts may have reached the peer.
    let mut sent = 0;
    loop {
        let mut attempt_request = request.clone();
        let extensions = attempt_request.extensions_mut();
        extensions.insert(AttemptNumber::new(attempt));
        extensions.insert(tried.clone());
        if sent > 0 {
            extensions.insert(EarlierAttempts(sent));
        }
        if !call.replay_safe {
            extensions.insert(Unrepeatable);
        }
        let result = inner.call(attempt_request).await.map_err(Into::into);

        let now = policy.now();
        let outcome = Outcome::of(&result, now);
        let mut retry_after = outcome.retry_after();
        if let Ok(response) = &result {
            match (Told::by(response, now), &ticket) {
                (Some(told), _) => {
                    policy.memory().told(peer, &route, &told);
                    if response.status() == StatusCode::TOO_MANY_REQUESTS {
                        retry_after = retry_after.or(Some(told.reset));
                    }
                }
                (None, Some(ticket)) => ticket.not_limited(),
                (None, None) => {}
            }
        }
        drop(ticket);
        let ended = (
            result.as_ref().ok().map(Response::status),
            result.as_ref().err().map(Error::kind),
        );
        let reason = match policy.judge(call, attempt - 1, outcome) {
            Verdict::Accept => None,
            Verdict::Stop(reason) => Some(reason),
            Verdict::Retry { .. } if is_begun(&request) => Some(NotRetried::Begun),
            Verdict::Retry {
                cost: Cost::Charged,
                ..
            } if !policy.memory().may_retry(peer) => Some(NotRetried::Budget),
            Verdict::Retry { wait, cost } => {
                if let Some(suppressed) = policy.memory().may_log(peer) {
                    log(&request, attempt, ended, Some(wait), suppressed, "retrying");
                }
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                let ready = match admitted(&policy, call, peer, &route).await {
                    Ok(next) => ready_again(&mut inner, call).await.map(|()| next),
                    Err(refusal) => Err(refusal.reason()),
                };
                match ready {
                    Ok(next) => {
                        let decision = RetryDecision::Retry { wait };
                        policy.observe(&event(&request, attempt, ended, decision));
                        ticket = next;
                        attempt += 1;
                        sent += u32::from(cost == Cost::Charged);
                        continue;
                    }
                    // Keep the outcome of the attempt rather than the readiness error.
                    Err(reason) => Some(reason),
                }
            }
        };
        if reason == Some(NotRetried::Budget)
            && let Some(suppressed) = policy.memory().may_log(peer)
        {
            let what = "not retrying: the budget for retries is spent";
            log(&request, attempt, ended, None, suppressed, what);
        }
        if let Some(reason) = reason {
            policy.observe(&event(
                &request,
                attempt,
                ended,
                RetryDecision::Stop(reason),
            ));
        }
        return match result {
            Ok(mut response) => {
                let attempts = Attempts::new(attempt, reason, retry_after);
                response.extensions_mut().insert(attempts);
                Ok(response)
            }
            Err(error) => Err(error
                .with_attempts(attempt)
                .with_elapsed(start.elapsed())
                .with_not_retried(reason)),
        };
    }
}

/// Waits until `inner` is ready for another attempt, but not beyond the deadline. The timeout of an
/// attempt does not cover this wait.
async fn ready_again<S, Req>(inner: &mut S, call: Call) -> Result<(), NotRetried>
where
    S: Service<Req>,
{
    let ready = inner.ready();
    let ready = match call.deadline {
        Some(deadline) => timeout_at(deadline, ready)
            .await
            .map_err(|_| NotRetried::Deadline)?,
        None => ready.await,
    };
    ready.map_err(|_| NotRetried::NotReady)?;
    // The waits may have taken longer than planned.
    call.longest_wait().ok_or(NotRetried::Deadline)?;
    Ok(())
}

fn event<B>(
    request: &Request<B>,
    attempt: u32,
    (status, error): (Option<StatusCode>, Option<ErrorKind>),
    decision: RetryDecision,
) -> RetryEvent<'_> {
    RetryEvent {
        method: request.method(),
        authority: request.uri().authority(),
        template: request.extensions().get(),
        correlation_id: request.extensions().get(),
        attempt,
        status,
        error,
        decision,
    }
}

fn log<B>(
    request: &Request<B>,
    attempt: u32,
    (status, error): (Option<StatusCode>, Option<ErrorKind>),
    wait: Option<Duration>,
    suppressed: u64,
    what: &str,
) {
    tracing::event!(
        target: "civic_client::retry",
        tracing::Level::WARN,
        http.request.method = request.method().as_str(),
        server.address = request.uri().host(),
        server.port = request.uri().port_u16(),
        url.template = request.extensions().get::<UrlTemplate>().map(UrlTemplate::as_str),
        correlation_id = request.extensions().get::<CorrelationId>().map(CorrelationId::as_str),
        http.response.status_code = status.map(|status| status.as_u16()),
        "error.type" = error.map(ErrorKind::as_str),
        attempt,
        wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        suppressed,
        "{what}"
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
