//! What a store answers.

use std::time::Duration;

/// The answer to `acquire`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Acquired {
    /// The key is ours, for one ttl from now.
    Acquired { fence: u64 },
    /// Somebody else's. A foreign key may have no ttl at all.
    Busy {
        holder: String,
        ttl: Option<Duration>,
    },
}

/// The answer to `renew`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Renewed {
    /// The key is ours, for one ttl from now.
    Renewed,
    /// The key is gone or somebody else's. It was not touched.
    NotOwner,
}

/// The answer to `release`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::enum_variant_names)] // the answer to `release` is that it is released
pub(crate) enum Released {
    /// The key is gone.
    Released,
    /// The key stays for the rest of the minimum hold.
    Held,
    /// The key was gone or somebody else's. It was not touched.
    NotOwner,
}

/// The answer to `peek`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peek {
    /// The latest tick that is done; none before the job was registered.
    pub(crate) done: Option<u64>,
    /// The tick that is claimed and not done.
    pub(crate) claimed: Option<u64>,
    /// How often the claimed tick was claimed; 0 without a claim.
    pub(crate) attempt: u32,
    /// Who holds the key, minimum hold included.
    pub(crate) holder: Option<String>,
    /// The store's clock.
    pub(crate) now: u64,
}

/// The answer to `claim`. `done` is the watermark before the claim.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(clippy::enum_variant_names)] // the answer to `claim` is that it is claimed
pub(crate) enum Claimed {
    /// Run `tick`, which may be earlier than the one asked for.
    Claimed {
        tick: u64,
        fence: u64,
        attempt: u32,
        done: u64,
    },
    /// Somebody has run it.
    AlreadyDone { done: u64 },
    /// The key is held. `tick` is the one that runs; none when the holder has not claimed any.
    Running {
        holder: String,
        ttl: Option<Duration>,
        tick: Option<u64>,
    },
    /// The tick lies in the store's future: our clock is ahead.
    ClockAhead { now: u64 },
    /// `tick` is past its grace: give it up with `miss`, then claim again. It may be earlier than
    /// the one asked for.
    TooLate { tick: u64, done: u64 },
    /// The job has no watermark: `register` it first, then claim again. A job that knows ticks it
    /// has seen done (the store has lost its data) registers the latest of these, not `now`.
    Unregistered { now: u64 },
}

/// The answer to `complete`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Completed {
    /// The watermark is at least at the tick. Also the answer to a repeated call.
    Completed,
    /// The key is not ours; nothing has changed.
    NotOwner,
}

/// The answer to `miss`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Missed {
    /// The watermark was `from` and is now `to`: report the ticks between them.
    Marked,
    /// Somebody else has moved it, or somebody has claimed a tick.
    Changed {
        done: Option<u64>,
        /// No earlier call with the same value has moved it, also if its answer was lost.
        certain: bool,
    },
}
