//! When a process stops, told to all of its parts.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells the parts of a process when to stop, in two steps.
///
/// 1. The *drain*: no new work is taken, and work in progress is finished.
/// 2. The *abort*: work in progress is cut off.
///
/// All clones of a value are told at once. A new value is told by a call, or by signals where
/// [`on_signals`](Self::on_signals) was asked for. Parts that know nothing of this crate, a
/// scheduler say, take its [`token`](Self::token).
///
/// The server puts the value into the extensions of each request, so that a handler that streams
/// for a long time can end its stream when the drain begins.
///
/// ```
/// use civic_server::Shutdown;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let shutdown = Shutdown::new();
/// let worker = tokio::spawn({
///     let shutdown = shutdown.clone();
///     async move { shutdown.draining().await }
/// });
/// shutdown.drain();
/// worker.await.unwrap();
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

// ===== impl Shutdown =====

impl Shutdown {
    /// Creates a value that no signal tells anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a value that drains at the first SIGTERM or SIGINT, and aborts at the second.
    ///
    /// The handlers are installed when this function returns, for the rest of the process.
    ///
    /// # Errors
    ///
    /// Fails if the operating system refuses a handler.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with its I/O driver enabled.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                either(&mut terminate, &mut interrupt).await;
                shutdown.drain();
                either(&mut terminate, &mut interrupt).await;
                shutdown.abort();
            }
        });
        Ok(shutdown)
    }

    /// Begins the drain.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Begins the drain, and cuts off the work that is in progress.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Returns whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Completes when the drain has begun.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a later call completes at once if the drain has begun meanwhile.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Completes when work in progress is to be cut off.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`draining`](Self::draining).
    pub async fn aborting(&self) {
        self.abort.cancelled().await;
    }

    /// Returns the token that is cancelled when the drain begins, for the other parts of a process.
    ///
    /// Cancelling it begins the drain.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.drain.clone()
    }
}

/// The drain begins when the token is cancelled, and the other way round.
impl From<CancellationToken> for Shutdown {
    fn from(drain: CancellationToken) -> Self {
        Self {
            drain,
            abort: CancellationToken::new(),
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
