//! An execution as an operator sees it.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::once::key::OnceKey;
use crate::scheduler::Tick;
use crate::store::once::{Author, Execution, OncePeeked, Phase};

/// An execution under [`once`](crate::LockService::once) as it was a moment ago. Its result is not
/// in it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OnceStatus {
    /// The key, as it was given.
    pub key: OnceKey,
    /// How far it is.
    pub state: OnceState,
    /// The holder that has begun it last.
    pub holder: String,
    /// How often it was begun.
    pub attempt: u32,
    /// The fencing token of that holder.
    pub fence: u64,
    /// On which terms it was begun.
    pub delivery: Delivery,
    /// When it was begun last, by the store's clock.
    pub begun: Tick,
    /// When it was finished, by the store's clock.
    pub completed: Option<Tick>,
    /// When the record ends, by the store's clock.
    pub expires: Tick,
    /// How long the key stays unless it is renewed, while it runs.
    pub ttl: Option<Duration>,
}

/// How far an execution is.
///
/// Exhaustive on purpose: an operator's tool should be told of a new one by the compiler.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OnceState {
    /// Its holder runs it.
    Running,
    /// It is finished, and its result is recorded.
    Done,
    /// It is finished, and its result was too large to be recorded, or could not be read back.
    DoneWithoutResult,
    /// An operator has ended it as finished. There is no result.
    Resolved,
    /// Its holder is gone, and it is not run again: no one knows what was done.
    InDoubt,
    /// Its holder is gone, and the next call runs it again.
    Abandoned,
    /// The work has failed, or an operator has freed it: the next call runs it.
    Free,
}

// ===== impl OnceState =====

impl OnceState {
    /// Returns a stable name in `kebab-case`, for logs and tools.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::DoneWithoutResult => "done-without-result",
            Self::Resolved => "resolved",
            Self::InDoubt => "in-doubt",
            Self::Abandoned => "abandoned",
            Self::Free => "free",
        }
    }
}

// ===== impl OnceStatus =====

impl OnceStatus {
    /// `None` if there is no record.
    pub(super) fn new(key: OnceKey, peeked: OncePeeked) -> Option<Self> {
        let execution = peeked.execution?;
        let runs = peeked.holder.as_ref() == Some(&execution.holder);
        Some(Self {
            key,
            state: state_of(&execution, runs),
            attempt: execution.attempt,
            fence: execution.fence,
            delivery: execution.delivery,
            begun: Tick::from_millis(execution.begun),
            completed: execution.completed.map(Tick::from_millis),
            expires: Tick::from_millis(execution.until),
            ttl: peeked.ttl.filter(|_| runs),
            holder: execution.holder,
        })
    }
}

pub(super) fn state_of(execution: &Execution, runs: bool) -> OnceState {
    match (execution.phase, execution.delivery) {
        (Phase::Done, _) => match execution.author {
            Author::Holder => OnceState::Done,
            Author::HolderWithoutResult => OnceState::DoneWithoutResult,
            Author::Operator => OnceState::Resolved,
        },
        (Phase::Free, _) => OnceState::Free,
        (Phase::Begun, _) if runs => OnceState::Running,
        (Phase::Begun, Delivery::AtMostOnce) => OnceState::InDoubt,
        (Phase::Begun, Delivery::AtLeastOnce) => OnceState::Abandoned,
    }
}
