//! The command that is sent to the store when a lease ends.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::Ownership;
use crate::store::command::{Abandon, Complete, CompleteDue, HandOver, Release, Unclaim};
use crate::store::history::RunRecord;
use crate::store::holder::Holder;
use crate::store::store::Store;

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
}

/// A guard's request to the task of its lease: end the lease in this way.
#[derive(Debug)]
pub(super) struct EndRequest {
    pub(super) ending: Ending,
    /// Where to send the answer; `None` if the guard was dropped.
    pub(super) answer: Option<oneshot::Sender<Result<Ownership, Error>>>,
}

impl Ending {
    /// Sends the command once.
    pub(super) async fn send(
        self,
        store: &Store,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Ownership, Error> {
        let holder = holder.clone();
        match self {
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
        }
    }
}
