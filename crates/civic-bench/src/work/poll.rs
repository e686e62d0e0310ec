//! Futures that never wait.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use tokio::runtime::{self, EnterGuard, Runtime};

/// Enters a runtime, for work that sets timers. Nothing waits in it.
pub(super) fn entered() -> EnterGuard<'static> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime can be made")
    });
    RUNTIME.enter()
}

/// Runs a future that has everything that it needs.
///
/// # Panics
///
/// If it waits for something.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("work in memory does not wait"),
    }
}
