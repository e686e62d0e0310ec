//! What a store answers.
//!
//! [`Acquired`] and [`Claimed`] are generic over what a holder gets: a store answers with a fence,
//! and a lease is made from it without changing anything else about the answer.

use std::time::Duration;

use crate::store::peer::PeerSighting;
use crate::store::sighting::{Sighted, Sighting};

/// The answer to [`Acquire`](super::command::Acquire).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Acquired<T> {
    /// The key is ours for one ttl from now.
    Granted(T),
    /// Another holder has the key. A foreign key may have no ttl.
    Busy {
        holder: String,
        ttl: Option<Duration>,
    },
}

/// The answer to [`AdmitFence`](super::command::AdmitFence).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Admission {
    /// No larger one was admitted before.
    Admitted,
    /// A larger one was admitted before. Nothing has changed.
    Stale { largest: u64 },
    /// It is too far ahead of the store's clock. Nothing has changed.
    AheadOfClock,
}

/// Whether the key was ours when the command reached the store: the answer to
/// [`Renew`](super::command::Renew), [`Release`](super::command::Release),
/// [`Complete`](super::command::Complete), [`Abandon`](super::command::Abandon) and
/// [`Unclaim`](super::command::Unclaim).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ownership {
    /// The key was ours, and the command was carried out.
    Ours,
    /// The key was gone or had another holder. It was not touched.
    NotOurs,
}

/// The answer to [`Peek`](super::command::Peek).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peeked {
    /// The latest tick that is done for good: an at-most-once tick whose holder has the key is not,
    /// because its claim may be taken back. `None` before the job was registered.
    pub(crate) done: Option<u64>,
    /// The tick that is claimed and not done.
    pub(crate) claimed: Option<u64>,
    /// How often the claimed tick was claimed. 0 without a claim.
    pub(crate) attempt: u32,
    /// The holder that has claimed it.
    pub(crate) claimant: Option<String>,
    /// Who holds the key, minimum hold included.
    pub(crate) holder: Option<String>,
    /// How long the key will stay unless renewed. A foreign key may have no ttl.
    pub(crate) ttl: Option<Duration>,
    /// The last fence that was given out. 0 if none is known.
    pub(crate) fence: u64,
    /// How often an operator has set the watermark.
    pub(crate) generation: u64,
    /// Since when the job is paused, in milliseconds since the epoch.
    pub(crate) paused: Option<u64>,
    /// The run that an operator has asked for.
    pub(crate) due: Option<Due>,
    /// The foreign holder that was seen last.
    pub(crate) peer: Option<PeerSighting>,
    /// The schedules that the job was seen with.
    pub(crate) schedules: Vec<Sighting>,
    /// The store's clock, in milliseconds since the epoch.
    pub(crate) now: u64,
}

/// A run that an operator has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Due {
    /// Its instant, in milliseconds since the epoch.
    pub(crate) tick: u64,
    /// How often it was claimed.
    pub(crate) attempt: u32,
}

/// The answer to [`Sight`](super::command::Sight).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Looked {
    Sighted(Sighted),
    /// The job has no watermark, and nothing was noted.
    Unregistered,
}

/// The answer to [`Claim`](super::command::Claim). `done` is the watermark before the claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Claimed<T> {
    /// Run `tick`, which may be earlier than the one that was asked for.
    Granted {
        lease: T,
        tick: u64,
        attempt: u32,
        /// How many of the attempts were handed over at a shutdown.
        handed_over: u32,
        done: u64,
    },
    /// The tick is done. For [`ClaimDue`](super::command::ClaimDue): no run is asked for.
    AlreadyDone { done: u64 },
    /// A peer that knows no watermark has run the tick, or runs it, and the watermark was moved to
    /// it. `ttl` is what is left of the peer's key; `None` if it is gone or has no ttl.
    RanByPeer {
        holder: String,
        ttl: Option<Duration>,
        tick: u64,
    },
    /// The tick is not after the first sight of the caller's schedule. If the schedule is unknown,
    /// `first` is the store's clock: note it with [`Sight`](super::command::Sight).
    Unscheduled { first: u64 },
    /// The job is paused.
    Paused { since: u64 },
    /// The caller's clock and the store's differ by more than they may: one of them is wrong, and
    /// nothing was decided by it. See [`ClockTerms`](super::command::ClockTerms).
    ClockSuspect { now: u64 },
    /// An operator has set the watermark: believe it, even if it is lower.
    Reset { generation: u64, done: u64 },
    /// The tick was claimed as often as it may be: give it up with [`Miss`](super::command::Miss).
    /// A run that an operator has asked for is given up already.
    Exhausted { tick: u64, done: u64 },
    /// The key is held. `tick` is the one that runs; `None` if the holder has not claimed any.
    Running {
        holder: String,
        ttl: Option<Duration>,
        tick: Option<u64>,
    },
    /// The tick lies in the store's future: our clock is ahead.
    ClockAhead { now: u64 },
    /// `tick` is past its grace: give it up with [`Miss`](super::command::Miss), then claim again.
    /// It may be earlier than the one that was asked for.
    TooLate { tick: u64, done: u64 },
    /// The job has no watermark: [`Register`](super::command::Register) it first, then claim again.
    /// A job that has seen ticks done (the store has lost its data) registers the latest of these,
    /// not `now`.
    Unregistered { now: u64 },
}

/// The answer to [`Miss`](super::command::Miss).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Missed {
    /// This call has moved the watermark from `from` to `to`: report the ticks between them.
    Marked,
    /// Another caller has moved it or has claimed a tick.
    Changed {
        done: Option<u64>,
        /// Whether it is known that no earlier call with the same value has moved the watermark,
        /// even one whose answer was lost.
        certain: bool,
    },
}

// ===== impl Acquired =====

impl<T> Acquired<T> {
    pub(crate) fn try_map<U, E>(
        self,
        map: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Acquired<U>, E> {
        Ok(match self {
            Self::Granted(lease) => Acquired::Granted(map(lease)?),
            Self::Busy { holder, ttl } => Acquired::Busy { holder, ttl },
        })
    }
}

// ===== impl Claimed =====

impl<T> Claimed<T> {
    /// The holder that runs it.
    pub(crate) fn running(&self) -> Option<&str> {
        match self {
            Self::Running { holder, .. } => Some(holder),
            _ => None,
        }
    }

    pub(crate) fn try_map<U, E>(
        self,
        map: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Claimed<U>, E> {
        Ok(match self {
            Self::Granted {
                lease,
                tick,
                attempt,
                handed_over,
                done,
            } => Claimed::Granted {
                lease: map(lease)?,
                tick,
                attempt,
                handed_over,
                done,
            },
            Self::AlreadyDone { done } => Claimed::AlreadyDone { done },
            Self::RanByPeer { holder, ttl, tick } => Claimed::RanByPeer { holder, ttl, tick },
            Self::Unscheduled { first } => Claimed::Unscheduled { first },
            Self::Paused { since } => Claimed::Paused { since },
            Self::ClockSuspect { now } => Claimed::ClockSuspect { now },
            Self::Reset { generation, done } => Claimed::Reset { generation, done },
            Self::Exhausted { tick, done } => Claimed::Exhausted { tick, done },
            Self::Running { holder, ttl, tick } => Claimed::Running { holder, ttl, tick },
            Self::ClockAhead { now } => Claimed::ClockAhead { now },
            Self::TooLate { tick, done } => Claimed::TooLate { tick, done },
            Self::Unregistered { now } => Claimed::Unregistered { now },
        })
    }
}
