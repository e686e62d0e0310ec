//! Work that goes on even if no one waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use crate::error::Error;

/// Work that goes on even if no one waits for it.
///
/// Its caller carries it out for as long as the caller waits, so it costs no task. If the caller
/// stops waiting, at any await, a task carries out the rest and drops what comes of it.
#[must_use = "no one waits for it"]
pub(super) struct Detached<T: Send + 'static> {
    /// `None` at its end, and while it is polled: work that panics is not polled again.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Where it goes on. `None` before it has begun.
    runtime: Option<Handle>,
}

impl<T: Send + 'static> Detached<T> {
    /// Work that begins when it is first waited for, in the runtime that it is waited for in.
    pub(super) fn new(work: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        Self {
            work: Some(work),
            runtime: None,
        }
    }

    /// Work that has begun: it is carried out even if it is never waited for.
    pub(super) fn begun(runtime: Handle, work: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        Self {
            work: Some(work),
            runtime: Some(runtime),
        }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    /// An error if there is no runtime here.
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { work, runtime } = &mut *self;
        let runtime = match runtime {
            Some(runtime) => runtime,
            None => match Handle::try_current() {
                Ok(current) => runtime.insert(current),
                Err(_) => return Poll::Ready(Err(Error::no_runtime())),
            },
        };
        // It may be polled elsewhere than where it has begun.
        let _entered = runtime.enter();
        let mut polled = work.take().expect("it is not polled after its end");
        match polled.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => {
                *work = Some(polled);
                Poll::Pending
            }
        }
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            runtime.spawn(async move {
                work.await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    /// Two awaits, and then a word through the channel.
    fn work() -> (Detached<u8>, oneshot::Receiver<&'static str>) {
        let (done, told) = oneshot::channel();
        let work = Detached::new(Box::pin(async move {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let _ = done.send("done");
            7
        }));
        (work, told)
    }

    fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn work_that_is_awaited_needs_no_task() {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let (work, told) = work();
        let before = tasks();
        assert_eq!(work.await.ok(), Some(7));
        assert_eq!(tasks(), before);
        assert_eq!(told.await, Ok("done"));
    }

    #[tokio::test]
    async fn work_whose_caller_stops_waiting_goes_on_and_work_that_has_not_begun_never_does() {
        for polls in 0..=2 {
            let (work, told) = work();
            let mut work = Box::pin(work);
            for _ in 0..polls {
                assert!(poll(work.as_mut()).is_pending());
            }
            drop(work);
            let told = told.await.ok();
            assert_eq!(told, (polls > 0).then_some("done"), "after {polls} polls");
        }
    }

    #[tokio::test]
    async fn work_that_has_begun_goes_on_even_if_it_is_never_waited_for() {
        let (done, told) = oneshot::channel();
        let work = async move { done.send("done") };
        drop(Detached::begun(Handle::current(), Box::pin(work)));
        assert_eq!(told.await, Ok("done"));
    }

    #[test]
    fn work_without_a_runtime_is_an_error_and_no_panic() {
        let (work, _told) = work();
        let asked = pin!(work);
        assert!(matches!(poll(asked), Poll::Ready(Err(_))));
    }

    #[tokio::test]
    async fn a_panic_of_the_work_reaches_its_caller_once() {
        let mut work = Detached::<()>::new(Box::pin(async { panic!("as intended") }));
        let caught = catch_unwind(AssertUnwindSafe(|| poll(Pin::new(&mut work))));
        assert!(caught.is_err());
        drop(work);
    }
}
