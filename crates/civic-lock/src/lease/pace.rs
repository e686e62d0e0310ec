//! How often a store is asked for what no one waits for.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::lease::keeper::MAX_RETRY_DELAY;
use crate::mutex::Mutex;
use crate::timing::Backoff;

/// How many commands are on their way at the same time.
pub(super) const AT_A_TIME: usize = 4;

/// How often one store is asked for what no one waits for. A store that is slow, or that comes
/// back, gets few such commands at a time, however many are to be sent.
#[derive(Debug)]
pub(super) struct Pace {
    turns: Semaphore,
    backoff: Mutex<Backoff>,
}

// ===== impl Pace =====

impl Pace {
    /// Waits until a command may be sent. Keep the turn until the command has ended.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// The store has answered: the next failure is a first one.
    pub(super) fn answered(&self) {
        *self.backoff.lock() = Backoff::new(MAX_RETRY_DELAY);
    }

    /// Waits after a failure of the store. The turn is kept meanwhile, so that the commands of
    /// others do not take its place at once.
    pub(super) async fn failed(&self, _turn: SemaphorePermit<'_>) {
        let wait = self.backoff.lock().wait();
        tokio::time::sleep(wait).await;
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_A_TIME),
            backoff: Mutex::new(Backoff::new(MAX_RETRY_DELAY)),
        }
    }
}
