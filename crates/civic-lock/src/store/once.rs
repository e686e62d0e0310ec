//! What is asked about an execution that happens once, and what the store answers.
//!
//! Each is a [`Command`] about one lock, whose key is held for as long as the work runs. The
//! [`Execution`] is the record beside it, which outlives the key. It decides: a holder whose key
//! has expired may still finish the execution, as long as no other has begun it since and no
//! operator has ended it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::Delivery;
use crate::store::answer::Ownership;
use crate::store::command::{Acquiring, Command};
use crate::store::holder::Holder;
use crate::store::limits::MAX_RETENTION;
use crate::store::payload::Payload;
use crate::timing::Ttl;

/// The record of an execution. The names in the file are those of the Redis hash, see
/// `once_begin.lua`. Times are milliseconds since the epoch, by the store's clock.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Execution {
    pub(crate) version: u32,
    pub(crate) phase: Phase,
    /// The holder that has begun it last.
    pub(crate) holder: String,
    /// How often it was begun.
    pub(crate) attempt: u32,
    /// The fence of the last holder.
    pub(crate) fence: u64,
    /// On which terms it was begun.
    pub(crate) delivery: Delivery,
    /// What tells one call under this key from another, in hexadecimal. Empty for none.
    pub(crate) fingerprint: String,
    /// When it was begun last.
    pub(crate) begun: u64,
    /// The record ends at this moment.
    pub(crate) until: u64,
    /// For how many milliseconds it stays after it was finished.
    pub(crate) retain: u64,
    /// When it was finished.
    #[serde(default)]
    pub(crate) completed: Option<u64>,
    /// Who has said that it is finished.
    #[serde(default)]
    pub(crate) author: Author,
    #[serde(default)]
    pub(crate) result: Payload,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// A holder has begun it. Whether that one still runs is told by the key.
    Begun,
    /// It is finished.
    Done,
    /// It may be begun again: the work has failed, or an operator says that nothing was done.
    Free,
}

/// Who has said that an execution is finished, and whether there is a result.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Author {
    /// The holder, with its result.
    #[default]
    Holder,
    /// The holder, whose result does not fit into a record.
    HolderWithoutResult,
    /// An operator, without a result.
    Operator,
}

/// On which terms an execution is begun.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OnceTerms {
    pub(crate) delivery: Delivery,
    /// What tells one call under this key from another, in hexadecimal. Empty for none.
    pub(crate) fingerprint: String,
    /// For how long the record stays after the last look at a finished execution.
    pub(crate) retain: Duration,
}

/// Begins an execution, or tells what has become of it.
#[derive(Clone, Debug)]
pub(crate) struct OnceBegin {
    pub(crate) holder: Holder,
    pub(crate) ttl: Ttl,
    pub(crate) terms: OnceTerms,
    /// For how long the record of an execution without an end stays: longer than a lease is
    /// renewed, and at least as long as `retain`.
    pub(crate) keep: Duration,
    /// Values of this process that no lease uses: what one of them has begun counts as not begun.
    pub(crate) orphans: Vec<Holder>,
}

/// Records that an execution is finished, and releases the key.
#[derive(Clone, Debug)]
pub(crate) struct OnceComplete {
    pub(crate) holder: Holder,
    /// `None` if it does not fit into a record.
    pub(crate) result: Option<Payload>,
}

/// Lets an execution be begun again, since nothing was done, and releases the key.
#[derive(Clone, Debug)]
pub(crate) struct OnceForget {
    pub(crate) holder: Holder,
}

/// Reads the record. Changes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OncePeek {
    pub(crate) detail: Detail,
}

/// How much of a record is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Detail {
    /// All but the result, which may be long.
    State,
    /// The result too.
    Result,
}

/// Ends an execution whose holder is gone. It hits only the attempt that was seen.
#[derive(Clone, Debug)]
pub(crate) struct OnceResolve {
    pub(crate) holder: String,
    pub(crate) attempt: u32,
    pub(crate) to: Resolution,
}

/// How an operator ends an execution.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Resolution {
    /// It is finished, without a result.
    Done,
    /// It may be begun again.
    Free,
}

/// Takes back a beginning whose work never began: it is as if it had not been asked for.
#[derive(Clone, Debug)]
pub(crate) struct OnceUnbegin {
    pub(crate) holder: Holder,
}

/// The answer to [`OnceBegin`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Begun<T> {
    /// The caller runs it.
    Granted {
        lease: T,
        attempt: u32,
        /// How far the execution was before. `None` if there was no record, or if this is the
        /// repeated answer to one call.
        before: Option<Phase>,
    },
    /// It is finished.
    Done(Execution),
    /// Another holder has the key. A foreign key may have no ttl.
    Running {
        holder: String,
        ttl: Option<Duration>,
    },
    /// An at-most-once holder is gone, and no one knows what it has done.
    InDoubt {
        since: u64,
        holder: String,
        attempt: u32,
    },
    /// The record belongs to another call.
    Different,
}

/// The answer to [`OnceComplete`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Completed {
    /// It is recorded that it is finished, with its result if there is one.
    Recorded { completed: u64, until: u64 },
    /// The execution is not this holder's any more, and was not touched.
    NotOurs,
}

/// The answer to [`OncePeek`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OncePeeked {
    /// `None` if the key was never begun, or if its record has ended.
    pub(crate) execution: Option<Execution>,
    /// Who holds the key.
    pub(crate) holder: Option<String>,
    /// How long the key will stay unless renewed. A foreign key may have no ttl.
    pub(crate) ttl: Option<Duration>,
}

/// The answer to [`OnceResolve`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Resolved {
    /// It is ended as was asked for.
    Ended,
    /// The holder that was seen has the key: it runs.
    Running { ttl: Option<Duration> },
    /// The execution is not what was seen, and was not touched.
    Changed(Execution),
    /// There is no record.
    Unknown,
}

// ===== impl OnceTerms =====

impl OnceTerms {
    /// How long the record of an execution without an end stays: the lease must not outlive it.
    pub(crate) fn kept_while_held(&self, ttl: Ttl, max_hold: Duration) -> Duration {
        let held = max_hold.saturating_add(ttl.get() * 2);
        self.retain.max(held.min(MAX_RETENTION))
    }
}

// ===== impl Execution =====

impl Execution {
    /// The form of a record.
    pub(crate) const VERSION: u32 = 1;

    /// Returns the record after its last beginning was taken back; `None` if it was the only one.
    pub(crate) fn unbegun(mut self) -> Option<Self> {
        self.attempt = self.attempt.checked_sub(1).filter(|&left| left > 0)?;
        self.phase = Phase::Free;
        Some(self)
    }

    /// Keeps the record of a finished execution for another while, since someone has looked at it.
    /// Not at each look: it is written again when that adds a hundredth of the while.
    pub(crate) fn looked_at(&mut self, retain: Duration, now: u64) {
        let retain = retain.as_millis() as u64;
        let until = now + retain;
        if until.saturating_sub(self.until) * 100 > retain {
            self.until = until;
        }
    }

    pub(crate) fn is_begun_by(&self, holder: &str) -> bool {
        self.phase == Phase::Begun && self.holder == holder
    }
}

// ===== impl Phase =====

impl Phase {
    /// Reads the field of the Redis hash.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text {
            "begun" => Some(Self::Begun),
            "done" => Some(Self::Done),
            "free" => Some(Self::Free),
            _ => None,
        }
    }
}

// ===== impl Author =====

impl Author {
    /// Returns who has finished an execution with this result.
    pub(crate) fn of_result(result: Option<&Payload>) -> Self {
        match result {
            Some(_) => Self::Holder,
            None => Self::HolderWithoutResult,
        }
    }

    /// Returns the field of the Redis hash.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::HolderWithoutResult => "holder_without_result",
            Self::Operator => "operator",
        }
    }

    /// Reads the field of the Redis hash, which is empty before the end.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text {
            "" | "holder" => Some(Self::Holder),
            "holder_without_result" => Some(Self::HolderWithoutResult),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }
}

// ===== impl Begun =====

impl<T> Begun<T> {
    pub(crate) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Begun<U>, E> {
        Ok(match self {
            Self::Granted {
                lease,
                attempt,
                before,
            } => Begun::Granted {
                lease: map(lease)?,
                attempt,
                before,
            },
            Self::Done(execution) => Begun::Done(execution),
            Self::Running { holder, ttl } => Begun::Running { holder, ttl },
            Self::InDoubt {
                since,
                holder,
                attempt,
            } => Begun::InDoubt {
                since,
                holder,
                attempt,
            },
            Self::Different => Begun::Different,
        })
    }
}

impl Command for OnceBegin {
    type Answer = Begun<u64>;
}

impl Command for OnceComplete {
    type Answer = Completed;
}

impl Command for OnceForget {
    type Answer = Ownership;
}

impl Command for OncePeek {
    type Answer = OncePeeked;
}

impl Command for OnceResolve {
    type Answer = Resolved;
}

impl Command for OnceUnbegin {
    type Answer = Ownership;
}

impl Acquiring for OnceBegin {
    fn blocked_by(answer: &Begun<u64>) -> Option<&str> {
        match answer {
            Begun::Running { holder, .. } => Some(holder),
            _ => None,
        }
    }

    fn left_by(answer: &Begun<u64>) -> Option<&str> {
        match answer {
            Begun::InDoubt { holder, .. } => Some(holder),
            _ => Self::blocked_by(answer),
        }
    }

    fn over(mut self, orphan: Holder) -> Self {
        self.orphans.push(orphan);
        self
    }
}
