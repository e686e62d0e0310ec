//! Work under a lease, to its end, its panic or the loss of the lease.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::lease::lease::Lease;
use crate::outcome::OnLoss;

/// How work under a lease has ended.
pub(crate) enum Work<T> {
    /// It has returned this.
    Ended(T),
    /// It has panicked. The panic has to go on once the lock is released.
    Panicked(Box<dyn Any + Send>),
    /// The lease was lost, and the work was dropped.
    Dropped,
}

/// Runs work until it ends, or until the lease is lost and nothing but that ends it.
pub(crate) async fn run_under<F, W>(lease: &Lease, on_loss: OnLoss, work: F) -> Work<W::Output>
where
    F: FnOnce() -> W,
    W: Future,
{
    // A panic before the first await is one of the work too.
    let work = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(work) => caught(work),
        Err(panic) => return Work::Panicked(panic),
    };
    tokio::select! {
        // The value of work that has ended is never thrown away.
        biased;
        ended = work => match ended {
            Ok(value) => Work::Ended(value),
            Err(panic) => Work::Panicked(panic),
        },
        _ = lease.lost(), if on_loss == OnLoss::DropWork => Work::Dropped,
    }
}

/// Runs the work to its end or to its panic.
pub(crate) async fn caught<W: Future>(work: W) -> Result<W::Output, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| {
        // The panic goes on after the lock is released. Until then no one sees what it has left
        // half done.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}
