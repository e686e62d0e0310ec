//! Signals to this very process. One test only: every test of the process would hear them.

use civic_server::Shutdown;
use rustix::process::{Signal, getpid, kill_process};

#[tokio::test]
async fn the_first_signal_drains_and_the_second_aborts() {
    let shutdown = Shutdown::on_signals().unwrap();
    let quiet = Shutdown::new();
    kill_process(getpid(), Signal::TERM).unwrap();
    shutdown.draining().await;

    let mut aborting = std::pin::pin!(shutdown.aborting());
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    assert!(Future::poll(aborting.as_mut(), &mut cx).is_pending());
    kill_process(getpid(), Signal::INT).unwrap();
    aborting.await;

    let mut draining = std::pin::pin!(quiet.draining());
    assert!(Future::poll(draining.as_mut(), &mut cx).is_pending());
}
