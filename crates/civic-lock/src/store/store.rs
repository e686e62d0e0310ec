//! One of the two stores.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Completed, Missed, Peek, Released, Renewed};
use crate::store::hints::Hints;
use crate::store::holder::Holder;
use crate::store::host::HostStore;
use crate::store::redis::RedisStore;
use crate::store::request::ClaimRequest;
use crate::timing::Ttl;

/// One of the two stores. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Redis(Arc<RedisStore>),
    Host(Arc<HostStore>),
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
