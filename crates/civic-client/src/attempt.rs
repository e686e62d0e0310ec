//! What the layers of one attempt tell each other.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use tokio::time::Instant;

use crate::gate::Gate;
use crate::phase::Phase;

/// What the layers of one attempt tell each other, in the extensions of its request.
///
/// [`AttemptTimeout`](crate::layer::AttemptTimeout) makes it, anew for each attempt. In a stack
/// without that layer there is none. The number of the attempt is an extension of its own,
/// [`AttemptNumber`](crate::layer::AttemptNumber), which the retry layer sets.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// When the attempt is cut short.
    pub(crate) until: Instant,
    pub(crate) progress: Arc<Progress>,
}

impl Attempt {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

/// The mark of a call that serves a request which is itself a retry: how many earlier attempts
/// there were of that request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryMark(pub(crate) u8);

/// The mark of a call that must not be executed twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unrepeatable;

/// How many earlier attempts of the call may have reached the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlierAttempts(pub(crate) u32);

/// How far an attempt has come, as the transport and the collecting of the body note it.
///
/// It only ever moves forward: a connection that is still being opened in the background, after the
/// request went out on another one, does not make the request unsent.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: AtomicU8,
    /// What holds the body of the request back, where the peer is asked for it.
    gate: Mutex<Option<Arc<Gate>>>,
}

const PHASES: [Phase; 5] = [
    Phase::Resolving,
    Phase::Connecting,
    Phase::Sending,
    Phase::Waiting,
    Phase::Body,
];

impl Progress {
    /// Notes that the attempt has come as far as `phase`.
    pub(crate) fn advance(&self, phase: Phase) {
        // 0 stands for "nothing noted".
        self.phase.fetch_max(phase as u8 + 1, Ordering::Relaxed);
    }

    /// Returns the last phase noted; `None` if there was none, as over a transport that notes
    /// none.
    pub(crate) fn phase(&self) -> Option<Phase> {
        let noted = self.phase.load(Ordering::Relaxed);
        PHASES.get(usize::from(noted).checked_sub(1)?).copied()
    }

    /// Notes what holds the body of the request back; `None` if nothing does.
    pub(crate) fn hold(&self, gate: Option<Arc<Gate>>) {
        *self.gate() = gate;
    }

    /// Keeps the body of the request back for good, and returns whether nothing of it has passed:
    /// the peer may have the head, which announces a body, and cannot take it for whole.
    pub(crate) fn withhold(&self) -> bool {
        self.gate().as_ref().is_some_and(|gate| gate.seal())
    }

    fn gate(&self) -> MutexGuard<'_, Option<Arc<Gate>>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_only_moves_forward() {
        let progress = Progress::default();
        assert_eq!(progress.phase(), None);
        for phase in PHASES {
            progress.advance(phase);
            assert_eq!(progress.phase(), Some(phase));
            progress.advance(Phase::Resolving);
            assert_eq!(progress.phase(), Some(phase));
        }
    }
}
