//! The seam between a lease and where its keys live.
//!
//! One operation is one atomic transition of one lock, in less than the command timeout; it never
//! panics. Times are milliseconds since the epoch by the store's own clock, which is the only
//! wall clock that decides anything. [`Redis`](redis::RedisStore) runs each as one script,
//! [`Host`](host::HostStore) under one file lock; both pass the same conformance suite.
//!
//! An operation that fails with [`Error::is_ambiguous`] may have been carried out. Repeating
//! `renew`, `release`, `complete`, `abandon`, `unclaim` and `miss` is harmless. What became of an
//! `acquire` or a `claim` must be undone: the [`Keeper`](crate::lease::Keeper) does it.

pub(crate) mod host;
pub(crate) mod redis;
mod scripts;

#[cfg(test)]
mod conformance;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::timing::Ttl;
use crate::{Error, LockName};

/// The value of the key: `<host>:<pid>:<uuid>:<n>`, new for each acquisition.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Holder(Arc<str>);

impl Holder {
    pub(crate) fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether a tick may run again after a crash.
///
/// No lock can promise "exactly once" when a holder may die between its work and the record of
/// it. Which of the two errors to make is the job's decision.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// A tick whose holder died is run again, with a higher fence and attempt. This is the default.
    #[default]
    AtLeastOnce,
    /// A tick is done as soon as it is claimed: one whose holder died is not run again.
    AtMostOnce,
}

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

/// What `claim` needs to know beside name, holder and ttl.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimRequest {
    /// The scheduled instant.
    pub(crate) tick: u64,
    /// A tick is missed when it is older than this.
    pub(crate) grace: Duration,
    pub(crate) delivery: Delivery,
    /// A tick that lies further in the store's future than this is refused. The scheduler's
    /// default is 5 s.
    pub(crate) max_skew: Duration,
    /// The keys of fence and watermark live at least this long: 4 intervals.
    pub(crate) retain: Duration,
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

/// One of the two stores. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Redis(Arc<redis::RedisStore>),
    Host(Arc<host::HostStore>),
}

macro_rules! dispatch {
    ($self:ident.$operation:ident($($argument:expr),*)) => {
        match $self {
            Store::Redis(store) => store.$operation($($argument),*).await,
            Store::Host(store) => store.$operation($($argument),*).await,
        }
    };
}

impl Store {
    /// How long one operation takes at most.
    pub(crate) fn command_timeout(&self) -> Duration {
        match self {
            Self::Redis(store) => store.command_timeout(),
            Self::Host(store) => store.command_timeout(),
        }
    }

    /// Takes the key for `holder`: mine already is refreshed, absent is taken with a higher fence.
    /// A key that holds one of `abandoned` (values of our own that nobody uses) counts as absent.
    pub(crate) async fn acquire(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        abandoned: &[Holder],
    ) -> Result<Acquired, Error> {
        dispatch!(self.acquire(name, holder, ttl, abandoned))
    }

    /// Extends the key by compare-and-expire, waiting at most `within`.
    pub(crate) async fn renew(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        within: Duration,
    ) -> Result<Renewed, Error> {
        dispatch!(self.renew(name, holder, ttl, within))
    }

    /// Deletes the key if it is ours, or leaves it for the rest of a minimum hold, and announces it.
    pub(crate) async fn release(
        &self,
        name: &LockName,
        holder: &Holder,
        hold: Option<Duration>,
    ) -> Result<Released, Error> {
        dispatch!(self.release(name, holder, hold))
    }

    /// Reads the watermark and the clock. Changes nothing.
    pub(crate) async fn peek(&self, name: &LockName) -> Result<Peek, Error> {
        dispatch!(self.peek(name))
    }

    /// Sets the watermark if there is none. Answers the watermark.
    pub(crate) async fn register(
        &self,
        name: &LockName,
        done: u64,
        retain: Duration,
    ) -> Result<u64, Error> {
        dispatch!(self.register(name, done, retain))
    }

    /// Takes the key for a tick, or for an earlier one that was claimed and not done.
    pub(crate) async fn claim(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        request: ClaimRequest,
        abandoned: &[Holder],
    ) -> Result<Claimed, Error> {
        dispatch!(self.claim(name, holder, ttl, request, abandoned))
    }

    /// Moves the watermark to `tick` and releases the key, or leaves it for the rest of the
    /// minimum hold.
    pub(crate) async fn complete(
        &self,
        name: &LockName,
        holder: &Holder,
        tick: u64,
        hold: Option<Duration>,
    ) -> Result<Completed, Error> {
        dispatch!(self.complete(name, holder, tick, hold))
    }

    /// Releases the key and leaves the tick claimed, so that somebody takes it over at once.
    pub(crate) async fn abandon(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        dispatch!(self.abandon(name, holder))
    }

    /// Takes back a claim whose work never began: the tick is as if it had not been claimed.
    pub(crate) async fn unclaim(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        dispatch!(self.unclaim(name, holder))
    }

    /// Moves the watermark over ticks that are past their grace: nobody claimed them, or the holder
    /// of the last one died. `by` is a value that was never used before; repeat a call that got no
    /// answer with the same value, and it is answered as the first one was.
    pub(crate) async fn miss(
        &self,
        name: &LockName,
        by: &Holder,
        from: u64,
        to: u64,
    ) -> Result<Missed, Error> {
        dispatch!(self.miss(name, by, from, to))
    }

    /// Wakes up when somebody may have released `name`. A hint can be lost: poll as well.
    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        match self {
            Self::Redis(store) => store.hints(name),
            Self::Host(store) => store.hints(name),
        }
    }
}

/// Release hints for one name. Dropping it ends the subscription.
#[derive(Debug)]
pub(crate) struct Hints {
    received: tokio::sync::watch::Receiver<u64>,
    /// Ends the subscription when the last one for the name is dropped.
    _subscription: Arc<dyn fmt::Debug + Send + Sync>,
}

impl Hints {
    /// The next hint; hints that came since the last call count as one. Never returns when none
    /// comes. Cancel safe.
    pub(crate) async fn next(&mut self) {
        if self.received.changed().await.is_err() {
            // The store is gone. Whoever waits has a timer as well.
            std::future::pending::<()>().await;
        }
    }
}
