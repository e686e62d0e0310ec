//! What becomes of an attempt to take a lock, and of the work under it.

use std::time::Duration;

use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::LeaseEnd;

/// What becomes of work when the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OnUnavailable {
    /// It does not run; the outcome says why. This is the default.
    #[default]
    FailClosed,
    /// It runs without a lock, on every replica that cannot reach the store, as the platform's Node
    /// services do. Each such run is marked: [`LeaseEnd::Unprotected`], [`Lease::is_protected`].
    FailOpen,
}

/// What becomes of running work when its lease is lost.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OnLoss {
    /// Its future is dropped at its next await. This is the default.
    #[default]
    DropWork,
    /// It runs on, and has to ask [`Lease::check`] itself.
    KeepRunning,
}

/// What became of work that was to run under a lock.
#[derive(Debug)]
#[must_use = "work that did not run is not an error"]
pub enum Outcome<T> {
    /// It ran to its end.
    Ran {
        /// What it returned; its errors are never masked by those of the lock.
        value: T,
        /// Whether it was alone all the time.
        lease: LeaseEnd,
    },
    /// The lease was lost, and the work was dropped.
    Lost {
        /// How long it had run.
        ran_for: Duration,
    },
    /// It did not run: somebody else has the lock.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// For how long, unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// It did not run: the store could not be asked, or a setting is wrong.
    Unavailable(Error),
}

/// What became of an attempt to take a lock.
#[derive(Debug)]
#[must_use = "an acquired lock is released when it is dropped"]
pub enum Acquisition {
    /// It is ours until the guard is dropped.
    Acquired(LeaseGuard),
    /// Somebody else has it.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// For how long, unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The store could not be asked, or a setting is wrong.
    Unavailable(Error),
}
