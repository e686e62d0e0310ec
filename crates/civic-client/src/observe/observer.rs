//! Who is told what a client does.

use std::sync::Arc;

use crate::layer::retry::event::RetryEvent;
use crate::observe::breaker::BreakerEvent;
use crate::observe::call::{AttemptEnd, CallEnd, CallInfo};
use crate::observe::pool::PoolEvent;

/// Is told what a client does: calls, attempts, retries, breakers and connections.
///
/// Each method does nothing unless it is implemented. They are called in the course of the work, by
/// the task that does it: they must neither block nor panic.
///
/// No event contains a path, a query, a header or a body. Every text in it is bounded, so that it
/// may be the label of a metric, except for these: a correlation id, a template that was made with
/// [`UrlTemplate::dynamic`](crate::UrlTemplate::dynamic), and the name of a method that a caller
/// has made up ([`CallInfo::method_name`] is the bounded one).
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use civic_client::observe::{AttemptEnd, CallInfo, Ending, Observer};
/// use civic_client::{Error, ServiceClient};
///
/// #[derive(Default)]
/// struct Timeouts(AtomicU64);
///
/// impl Observer for Timeouts {
///     fn attempt_ended(&self, _: &CallInfo<'_>, end: &AttemptEnd) {
///         if end.ending == Ending::Failed(civic_client::ErrorKind::Timeout) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let timeouts = Arc::new(Timeouts::default());
/// let client = ServiceClient::builder("http://localhost:3020")
///     .anonymous()
///     .observer(Arc::clone(&timeouts))
///     .build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call begins.
    fn call_started(&self, call: &CallInfo<'_>) {
        let _ = call;
    }

    /// A call has ended, with all of its attempts and waits. It is told exactly once for each
    /// [`call_started`](Self::call_started).
    fn call_ended(&self, call: &CallInfo<'_>, end: &CallEnd) {
        let _ = (call, end);
    }

    /// An attempt of a call begins. They are numbered from 1.
    fn attempt_started(&self, call: &CallInfo<'_>, number: u32) {
        let _ = (call, number);
    }

    /// An attempt has ended. It is told exactly once for each
    /// [`attempt_started`](Self::attempt_started).
    fn attempt_ended(&self, call: &CallInfo<'_>, end: &AttemptEnd) {
        let _ = (call, end);
    }

    /// It was decided whether an attempt that did not succeed is followed by another one, or that
    /// a call ends before its first attempt. Of a call it is told each [`Retry`] as the next
    /// attempt begins, and at most one [`Stop`], at its end.
    ///
    /// [`Retry`]: crate::RetryDecision::Retry
    /// [`Stop`]: crate::RetryDecision::Stop
    fn retry_decided(&self, event: &RetryEvent<'_>) {
        let _ = event;
    }

    /// The breaker of an endpoint has changed its state.
    fn breaker_changed(&self, event: &BreakerEvent<'_>) {
        let _ = event;
    }

    /// Something has happened to the connections to a peer.
    fn pool_changed(&self, event: &PoolEvent<'_>) {
        let _ = event;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn call_started(&self, call: &CallInfo<'_>) {
        (**self).call_started(call);
    }

    fn call_ended(&self, call: &CallInfo<'_>, end: &CallEnd) {
        (**self).call_ended(call, end);
    }

    fn attempt_started(&self, call: &CallInfo<'_>, number: u32) {
        (**self).attempt_started(call, number);
    }

    fn attempt_ended(&self, call: &CallInfo<'_>, end: &AttemptEnd) {
        (**self).attempt_ended(call, end);
    }

    fn retry_decided(&self, event: &RetryEvent<'_>) {
        (**self).retry_decided(event);
    }

    fn breaker_changed(&self, event: &BreakerEvent<'_>) {
        (**self).breaker_changed(event);
    }

    fn pool_changed(&self, event: &PoolEvent<'_>) {
        (**self).pool_changed(event);
    }
}

/// Tells both, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn call_started(&self, call: &CallInfo<'_>) {
        self.0.call_started(call);
        self.1.call_started(call);
    }

    fn call_ended(&self, call: &CallInfo<'_>, end: &CallEnd) {
        self.0.call_ended(call, end);
        self.1.call_ended(call, end);
    }

    fn attempt_started(&self, call: &CallInfo<'_>, number: u32) {
        self.0.attempt_started(call, number);
        self.1.attempt_started(call, number);
    }

    fn attempt_ended(&self, call: &CallInfo<'_>, end: &AttemptEnd) {
        self.0.attempt_ended(call, end);
        self.1.attempt_ended(call, end);
    }

    fn retry_decided(&self, event: &RetryEvent<'_>) {
        self.0.retry_decided(event);
        self.1.retry_decided(event);
    }

    fn breaker_changed(&self, event: &BreakerEvent<'_>) {
        self.0.breaker_changed(event);
        self.1.breaker_changed(event);
    }

    fn pool_changed(&self, event: &PoolEvent<'_>) {
        self.0.pool_changed(event);
        self.1.pool_changed(event);
    }
}
