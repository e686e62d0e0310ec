//! The context of the request that is being served: what follows it into every call that it causes.
//!
//! [`CorrelationIdLayer`](crate::CorrelationIdLayer) puts the context around the inner service's
//! `call`, its future and the response body. An outgoing call then finds the correlation id and the
//! W3C trace context without any handler passing them along.
//!
//! The context follows the *task*. It does **not** reach
//!
//! - a task that the handler spawns (`tokio::spawn`, `JoinSet`),
//! - a blocking thread (`spawn_blocking`) or any other thread,
//! - the inner service of a `tower::buffer::Buffer`, which runs on a worker task.
//!
//! [`RequestContext::scope`] and [`RequestContext::in_scope`] carry it there:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use civic_auth::{CorrelationId, RequestContext};
//!
//! let id = CorrelationId::parse("req-1").unwrap();
//! let seen = || async { RequestContext::current().correlation_id().cloned() };
//!
//! RequestContext::default()
//!     .with_correlation_id(id.clone())
//!     .scope(async {
//!         let alone = tokio::spawn(seen());
//!         let carried = tokio::spawn(RequestContext::current().scope(seen()));
//!         assert_eq!(alone.await.unwrap(), None);
//!         assert_eq!(carried.await.unwrap(), Some(id));
//!     })
//!     .await;
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use civic_envelope::CorrelationId;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
#[cfg(feature = "deadline")]
use tokio::time::Instant;

use crate::txn::Transaction;

/// The `traceparent` header of W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The `tracestate` header of W3C Trace Context.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Counts the earlier attempts of the call that this request belongs to.
pub(crate) const RETRY_ATTEMPT: HeaderName = HeaderName::from_static("x-retry-attempt");

/// Trace Context section 3.3.1.5 asks for at least this much to be propagated.
const MAX_TRACESTATE_BYTES: usize = 512;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What follows a request into the calls that it causes.
///
/// It follows the task. What it does not reach, and how to carry it there, is described in the
/// [crate's documentation](crate#correlation). Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    correlation_id: Option<CorrelationId>,
    traceparent: Option<HeaderValue>,
    tracestate: Option<HeaderValue>,
    adopted: Arc<Mutex<Adopted>>,
}

/// What a layer inside of the scope may still write into it. All clones share it: the scope that is
/// open already sees it too.
#[derive(Clone, Debug, Default)]
struct Adopted {
    #[cfg(feature = "deadline")]
    deadline: Option<Instant>,
    retry_attempt: Option<u8>,
    transaction: Option<Transaction>,
}

pin_project! {
    /// A future that runs in a [`RequestContext`]. Made by [`RequestContext::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        inner: TaskLocalFuture<RequestContext, F>,
    }
}

// ===== impl RequestContext =====

impl RequestContext {
    /// Returns the context of the request that this task is serving.
    ///
    /// It is empty where the task serves no request.
    #[must_use]
    pub fn current() -> Self {
        Self::try_current().unwrap_or_default()
    }

    /// Returns the context of the request that this task is serving; `None` where the task serves
    /// no request.
    #[must_use]
    pub fn try_current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Returns the context of a request with these headers and this id, which begins to be served.
    ///
    /// It has no transaction token, and the deadline of the request that this task is serving.
    pub(crate) fn of_request(headers: &HeaderMap, id: CorrelationId) -> Self {
        let adopted = Adopted {
            #[cfg(feature = "deadline")]
            deadline: Self::try_current().and_then(|context| context.deadline()),
            retry_attempt: single(headers, &RETRY_ATTEMPT).and_then(digit),
            transaction: None,
        };
        let context = Self {
            correlation_id: Some(id),
            traceparent: None,
            tracestate: None,
            adopted: Arc::new(Mutex::new(adopted)),
        };
        context.with_trace_of(headers)
    }

    /// Returns the correlation id of a request: the one in its extensions, or else a valid one in
    /// its header, or else that of the request that this task is serving.
    ///
    /// Every layer of the workspace that knows the context finds the id of a request in this way.
    #[must_use]
    pub fn correlation_id_for(
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Option<CorrelationId> {
        CorrelationId::of_request(headers, extensions)
            .or_else(|| Self::try_current()?.correlation_id)
    }

    /// Returns the correlation id of the request.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.correlation_id.as_ref()
    }

    /// Returns the `traceparent` header that came with the request, if it was valid.
    #[must_use]
    pub fn traceparent(&self) -> Option<&HeaderValue> {
        self.traceparent.as_ref()
    }

    /// Returns the `tracestate` header that came with a valid `traceparent`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&HeaderValue> {
        self.tracestate.as_ref()
    }

    /// Returns the mark of a request that is itself a retry: how many earlier attempts of the call
    /// may have reached this service, from 1 to 9.
    ///
    /// While such a request is being served, civic-client repeats a call only if it was never sent:
    /// the caller at the start of the chain repeats, and a repetition by every service on the way
    /// would multiply. Every call carries the mark on.
    #[must_use]
    pub fn retry_attempt(&self) -> Option<u8> {
        self.lock_adopted().retry_attempt
    }

    /// Sets the mark of a retry to that of a request with these headers, from `x-retry-attempt`.
    ///
    /// A value that is not a number from 1 to 9, and a duplicated header, are no mark.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_retry_attempt_of(self, headers: &HeaderMap) -> Self {
        let mut adopted = self.adopted();
        adopted.retry_attempt = single(headers, &RETRY_ATTEMPT).and_then(digit);
        self.with_adopted(adopted)
    }

    /// Returns when the caller of the request stops waiting, if that is known.
    ///
    /// Every call that civic-client makes while the request is being served ends by then.
    #[cfg(feature = "deadline")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.lock_adopted().deadline
    }

    /// Sets the deadline, unless there is an earlier one.
    ///
    /// Defaults to none.
    #[cfg(feature = "deadline")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        let mut adopted = self.adopted();
        adopted.lower_deadline(deadline);
        self.with_adopted(adopted)
    }

    /// Removes the deadline, for work that goes on when the caller has stopped waiting.
    #[cfg(feature = "deadline")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
    #[must_use]
    pub fn without_deadline(self) -> Self {
        let adopted = Adopted {
            deadline: None,
            ..self.adopted()
        };
        self.with_adopted(adopted)
    }

    /// Sets the deadline of this context **and of all its clones**, unless they have an earlier
    /// one, so that the scope that is already open has it too.
    #[cfg(feature = "deadline")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
    pub fn adopt_deadline(&self, deadline: Instant) {
        self.lock_adopted().lower_deadline(deadline);
    }

    /// Sets the mark of a retry of this context **and of all its clones** to that of a request with
    /// these headers, for a service that believes the header only behind its guard.
    pub fn adopt_retry_attempt_of(&self, headers: &HeaderMap) {
        self.lock_adopted().retry_attempt = single(headers, &RETRY_ATTEMPT).and_then(digit);
    }

    fn lock_adopted(&self) -> MutexGuard<'_, Adopted> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adopted(&self) -> Adopted {
        self.lock_adopted().clone()
    }

    /// Returns the transaction token that calls carry on.
    pub(crate) fn transaction(&self) -> Option<Transaction> {
        self.lock_adopted().transaction.clone()
    }

    /// Sets the transaction token of this context and of all its clones.
    pub(crate) fn adopt_transaction(&self, transaction: Option<Transaction>) {
        self.lock_adopted().transaction = transaction;
    }

    /// Returns the context with values of its own, which its clones up to now do not share.
    fn with_adopted(mut self, adopted: Adopted) -> Self {
        self.adopted = Arc::new(Mutex::new(adopted));
        self
    }

    /// Sets the correlation id.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_correlation_id(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Sets the trace context to that of a request with these headers.
    ///
    /// A `traceparent` that is malformed or duplicated is dropped, and `tracestate` with it (W3C
    /// Trace Context section 3.2). Several `tracestate` fields are joined into one; a value longer
    /// than 512 bytes is dropped.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_trace_of(mut self, headers: &HeaderMap) -> Self {
        self.traceparent = single(headers, &TRACEPARENT)
            .filter(|value| is_traceparent(value.as_bytes()))
            .cloned();
        self.tracestate = self
            .traceparent
            .as_ref()
            .and_then(|_| joined(headers, &TRACESTATE));
        self
    }

    /// Returns a future that runs `future`, and drops it, in this context.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped {
            inner: CURRENT.scope(self, future),
        }
    }

    /// Runs a closure in this context, for blocking threads and for code that polls by hand.
    pub fn in_scope<R>(self, work: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, work)
    }
}

// ===== impl Adopted =====

#[cfg(feature = "deadline")]
impl Adopted {
    fn lower_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
    }
}

// ===== impl Scoped =====

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

/// Reads a number from 1 to 9.
fn digit(value: &HeaderValue) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'1'..=b'9'] => Some(digit - b'0'),
        _ => None,
    }
}

/// Returns the value of a header that must not be duplicated.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Returns the values of a header that may be split into several fields.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let value = values.join(&b","[..]);
    if value.is_empty() || value.len() > MAX_TRACESTATE_BYTES {
        return None;
    }
    HeaderValue::from_bytes(&value).ok()
}

/// Checks the form of W3C Trace Context section 3.2.2: `version-traceid-parentid-flags` in
/// lower-case hexadecimal digits, neither id all zeroes, version not `ff`. A later version may be
/// longer, but only after another dash.
fn is_traceparent(value: &[u8]) -> bool {
    const LENGTH: usize = 55;
    let hex = |part: &[u8]| {
        part.iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let Some((known, later)) = value.split_at_checked(LENGTH) else {
        return false;
    };
    let (version, trace, parent, flags) =
        (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    [known[2], known[35], known[52]] == [b'-'; 3]
        && [version, trace, parent, flags].into_iter().all(hex)
        && version != b"ff"
        && !zero(trace)
        && !zero(parent)
        && (later.is_empty()
            || (version != b"00" && later[0] == b'-' && value.len() <= MAX_TRACESTATE_BYTES))
}

#[cfg(test)]
mod tests;
