//! What ends a lease.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::store::answer::Released;

/// What is sent to the store at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Release { hold: Option<Duration> },
    Complete { tick: u64, hold: Option<Duration> },
    Abandon,
    Unclaim,
}

/// What the store made of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// Ours until now; released, held for the rest of its minimum, completed.
    Owned,
    /// The key was gone or somebody else's.
    NotOwner,
}

pub(crate) struct End {
    pub(crate) ending: Ending,
    pub(crate) answer: Option<oneshot::Sender<Result<Ended, Error>>>,
}

impl Ended {
    pub(crate) fn released(self) -> Released {
        match self {
            Self::Owned => Released::Released,
            Self::NotOwner => Released::NotOwner,
        }
    }
}
