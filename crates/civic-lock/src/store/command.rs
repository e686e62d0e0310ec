//! The operations on one lock. Each is one atomic transition in either store.
//!
//! Redis runs each as one script (`redis/scripts/`, called from `redis/operations.rs`); the host
//! runs each as one pure function (`host/transitions.rs`). The two must decide alike, case by case
//! and in the same order; the conformance suite compares them.

use std::time::Duration;

use serde::Serialize;

use crate::delivery::Delivery;
use crate::store::answer::{Acquired, Admission, Claimed, Looked, Missed, Ownership, Peeked};
use crate::store::history::RunRecord;
use crate::store::holder::Holder;
use crate::store::peer::PeerTerms;
use crate::store::sighting::Fingerprint;
use crate::timing::Ttl;

/// An operation on one lock.
pub(crate) trait Command: Send + Sync + 'static {
    /// What the store answers.
    type Answer: Send + 'static;
}

/// A command that takes the key.
pub(crate) trait Acquiring: Command {
    /// The holder that has kept it from taking the key.
    fn blocked_by(answer: &Self::Answer) -> Option<&str>;

    /// The holder whose traces decided the answer, even if it has the key no more. Defaults to the
    /// one that has kept it from taking the key.
    fn left_by(answer: &Self::Answer) -> Option<&str> {
        Self::blocked_by(answer)
    }

    /// The same command, for which a key with this value counts as absent or as ours.
    fn over(self, orphan: Holder) -> Self;
}

/// Releases the key and leaves the tick claimed, so that another replica takes it over at once.
#[derive(Clone, Debug)]
pub(crate) struct Abandon {
    pub(crate) holder: Holder,
}

/// Takes the key. A key that is ours already is refreshed; an absent one is taken, with a higher
/// fence.
#[derive(Clone, Debug)]
pub(crate) struct Acquire {
    pub(crate) holder: Holder,
    pub(crate) ttl: Ttl,
    /// Values of this process that no lease uses: a key that holds one counts as absent.
    pub(crate) orphans: Vec<Holder>,
}

/// Remembers the largest fence that was admitted to what the lock protects, and refuses a smaller
/// one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmitFence {
    pub(crate) fence: u64,
    /// How far it may be ahead of the store's clock.
    pub(crate) ahead: Duration,
}

/// Takes the key for a tick, or for an earlier one that was claimed and not done.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) holder: Holder,
    pub(crate) ttl: Ttl,
    pub(crate) request: ClaimRequest,
    pub(crate) terms: ClaimTerms,
    /// Values of this process that no lease uses: a key that holds one counts as ours.
    pub(crate) orphans: Vec<Holder>,
}

/// Takes the key for the run that an operator has asked for, see
/// [`RunNow`](super::operator::RunNow).
#[derive(Clone, Debug)]
pub(crate) struct ClaimDue {
    pub(crate) holder: Holder,
    pub(crate) ttl: Ttl,
    /// The fence and the watermark live for at least this long: 4 intervals.
    pub(crate) retain: Duration,
    /// How often it may be claimed. `None` for no bound.
    pub(crate) attempts: Option<u32>,
    /// Values of this process that no lease uses: a key that holds one counts as ours.
    pub(crate) orphans: Vec<Holder>,
}

/// What is claimed, and on which terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimRequest {
    /// The scheduled instant, in milliseconds since the epoch.
    pub(crate) tick: u64,
    /// A tick that is older than this is missed.
    pub(crate) grace: Duration,
    pub(crate) delivery: Delivery,
    /// A tick that lies further in the store's future than this is refused. The scheduler's
    /// default is 5 s.
    pub(crate) max_skew: Duration,
    /// The fence and the watermark live for at least this long: 4 intervals.
    pub(crate) retain: Duration,
}

/// The caller's own clock: a store whose clock differs by more does nothing, since one of the two
/// is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct ClockTerms {
    /// What the caller's clock showed when the command was sent, in milliseconds since the epoch.
    #[serde(rename = "clock")]
    pub(crate) local: u64,
    /// By how much the two may differ, in milliseconds.
    #[serde(rename = "differ")]
    pub(crate) most: u64,
}

/// On which further terms a tick is claimed. By default there are none.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct ClaimTerms {
    /// `None` if the caller's clock does not matter.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) clock: Option<ClockTerms>,
    /// The generation of the watermark that the caller knows, see
    /// [`Reset`](super::operator::Reset).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<u64>,
    /// The caller's schedule: the tick must be after the first sight of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<Fingerprint>,
    /// How often a tick may be claimed, hand-overs not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<u32>,
    /// Whether the key of a peer counts as a run. `None` if it does not.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) peers: Option<PeerTerms>,
}

/// Moves the watermark to `tick` and releases the key, or leaves it for the rest of a minimum hold.
#[derive(Clone, Debug)]
pub(crate) struct Complete {
    pub(crate) holder: Holder,
    pub(crate) tick: u64,
    pub(crate) hold: Option<Duration>,
    /// The generation that the tick was claimed in. The watermark does not move if an operator has
    /// set it since. `None` if that does not matter.
    pub(crate) generation: Option<u64>,
    /// What is remembered of the run.
    pub(crate) run: Option<RunRecord>,
}

/// Records the run that an operator has asked for. The watermark stays where it is.
#[derive(Clone, Debug)]
pub(crate) struct CompleteDue {
    pub(crate) holder: Holder,
    pub(crate) hold: Option<Duration>,
    pub(crate) run: Option<RunRecord>,
}

/// Releases the key, leaves the tick claimed, and notes that the attempt was handed over: it does
/// not count towards the bound.
#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    pub(crate) holder: Holder,
}

/// Moves the watermark over ticks that are past their grace: no replica claimed them, or the holder
/// of the last one died.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    /// A value that was never used before. A call that got no answer is repeated with the same
    /// value, and is answered as the first one was.
    pub(crate) by: Holder,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// What is remembered of it in the list of the last runs.
    pub(crate) run: Option<RunRecord>,
}

/// Reads the watermark and the clock. Changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Peek;

/// Remembers a run that neither [`Complete`] nor [`Miss`] remembers.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) run: RunRecord,
}

/// Sets the watermark if there is none. Answers the watermark.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    pub(crate) done: u64,
    pub(crate) retain: Duration,
    /// The caller's schedule.
    pub(crate) schedule: Option<Fingerprint>,
    /// Its first sight, as the caller remembers it. It begins at the watermark if that is later.
    pub(crate) first: u64,
}

/// Deletes the key if it is ours, or leaves it for the rest of a minimum hold, and announces it.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) holder: Holder,
    pub(crate) hold: Option<Duration>,
}

/// Extends the key if it is ours. Never sets it.
#[derive(Clone, Debug)]
pub(crate) struct Renew {
    pub(crate) holder: Holder,
    pub(crate) ttl: Ttl,
}

/// Notes that a replica has a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) schedule: Fingerprint,
    /// For how long another schedule must have been silent to be dropped.
    pub(crate) silence: Duration,
    pub(crate) retain: Duration,
}

/// Takes back a claim whose work never began: the tick is as if it had not been claimed.
#[derive(Clone, Debug)]
pub(crate) struct Unclaim {
    pub(crate) holder: Holder,
}

impl Command for Abandon {
    type Answer = Ownership;
}

impl Command for Acquire {
    type Answer = Acquired<u64>;
}

impl Command for AdmitFence {
    type Answer = Admission;
}

impl Command for Claim {
    type Answer = Claimed<u64>;
}

impl Command for ClaimDue {
    type Answer = Claimed<u64>;
}

impl Command for Complete {
    type Answer = Ownership;
}

impl Command for CompleteDue {
    type Answer = Ownership;
}

impl Command for HandOver {
    type Answer = Ownership;
}

impl Command for Miss {
    type Answer = Missed;
}

impl Command for Peek {
    type Answer = Peeked;
}

impl Command for Record {
    type Answer = ();
}

impl Command for Register {
    type Answer = u64;
}

impl Command for Release {
    type Answer = Ownership;
}

impl Command for Renew {
    type Answer = Ownership;
}

impl Command for Sight {
    type Answer = Looked;
}

impl Command for Unclaim {
    type Answer = Ownership;
}

impl Acquiring for Acquire {
    fn blocked_by(answer: &Acquired<u64>) -> Option<&str> {
        match answer {
            Acquired::Busy { holder, .. } => Some(holder),
            Acquired::Granted(_) => None,
        }
    }

    fn over(mut self, orphan: Holder) -> Self {
        self.orphans.push(orphan);
        self
    }
}

impl Acquiring for Claim {
    fn blocked_by(answer: &Claimed<u64>) -> Option<&str> {
        answer.running()
    }

    fn over(mut self, orphan: Holder) -> Self {
        self.orphans.push(orphan);
        self
    }
}

impl Acquiring for ClaimDue {
    fn blocked_by(answer: &Claimed<u64>) -> Option<&str> {
        answer.running()
    }

    fn over(mut self, orphan: Holder) -> Self {
        self.orphans.push(orphan);
        self
    }
}
