//! The command that is sent to the store when a lease ends.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::Ownership;
use crate::store::command::{Abandon, Complete, CompleteDue, HandOver, Release, Unclaim};
use crate::store::history::RunRecord;
use crate::store::holder::Holder;
use crate::store::once::{Completed, OnceComplete, OnceForget, OnceUnbegin};
use crate::store::payload::Payload;
use crate::store::store::Store;
use crate::timing::Ttl;

/// For how long the end of an execution is repeated at least. Its record does not expire with the
/// key: an at-most-once one would be in doubt, although its work never began, or has ended.
const ONCE_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The command that is sent to the store when a lease ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Release {
        hold: Option<Duration>,
    },
    Complete {
        tick: u64,
        hold: Option<Duration>,
        /// The generation that the tick was claimed in, see [`Complete`].
        generation: Option<u64>,
        run: Option<RunRecord>,
    },
    CompleteDue {
        hold: Option<Duration>,
        run: Option<RunRecord>,
    },
    Abandon,
    HandOver,
    Unclaim,
    OnceComplete {
        /// `None` if it does not fit into a record.
        result: Option<Payload>,
    },
    OnceForget,
    OnceUnbegin,
}

/// What the store has answered to the command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    Key(Ownership),
    Execution(Completed),
}

/// A guard's request to the task of its lease: end the lease in this way.
#[derive(Debug)]
pub(super) struct EndRequest {
    pub(super) ending: Ending,
    /// Where to send the answer; `None` if the guard was dropped.
    pub(super) answer: Option<oneshot::Sender<Result<Ended, Error>>>,
}

// ===== impl Ended =====

impl Ended {
    pub(super) fn ownership(self) -> Ownership {
        match self {
            Self::Key(ownership) => ownership,
            Self::Execution(Completed::Recorded { .. }) => Ownership::Ours,
            Self::Execution(Completed::NotOurs) => Ownership::NotOurs,
        }
    }
}

// ===== impl Ending =====

impl Ending {
    /// Sends the command once.
    pub(super) async fn send(
        self,
        store: &Store,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Ended, Error> {
        let holder = holder.clone();
        let ownership = match self {
            Self::OnceComplete { result } => {
                let completed = store.run(name, OnceComplete { holder, result }).await?;
                return Ok(Ended::Execution(completed));
            }
            Self::Release { hold } => store.run(name, Release { holder, hold }).await,
            Self::Complete {
                tick,
                hold,
                generation,
                run,
            } => {
                let complete = Complete {
                    holder,
                    tick,
                    hold,
                    generation,
                    run,
                };
                store.run(name, complete).await
            }
            Self::CompleteDue { hold, run } => {
                store.run(name, CompleteDue { holder, hold, run }).await
            }
            Self::HandOver => store.run(name, HandOver { holder }).await,
            Self::Abandon => store.run(name, Abandon { holder }).await,
            Self::Unclaim => store.run(name, Unclaim { holder }).await,
            Self::OnceForget => store.run(name, OnceForget { holder }).await,
            Self::OnceUnbegin => store.run(name, OnceUnbegin { holder }).await,
        };
        ownership.map(Ended::Key)
    }

    /// How long it is worth being repeated while the store does not answer, for a lease with this
    /// ttl.
    pub(super) fn worth_repeating_for(&self, ttl: Ttl) -> Duration {
        match self {
            Self::OnceComplete { .. } | Self::OnceForget | Self::OnceUnbegin => {
                ttl.get().max(ONCE_WITHIN)
            }
            _ => ttl.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_an_execution_is_repeated_for_ten_minutes_at_least_and_others_for_their_ttl() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let ttl = |ttl| Ttl::new(ttl).expect("a valid ttl");
        for ending in [
            Ending::OnceComplete { result: None },
            Ending::OnceForget,
            Ending::OnceUnbegin,
        ] {
            assert_eq!(ending.worth_repeating_for(ttl(minute)), minute * 10);
            assert_eq!(ending.worth_repeating_for(ttl(hour)), hour);
        }
        for ending in [Ending::Release { hold: None }, Ending::Abandon] {
            assert_eq!(ending.worth_repeating_for(ttl(minute)), minute);
        }
    }
}
