//! What becomes of an attempt to acquire a lock, and of the work under it.

use std::time::Duration;

use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::LeaseEnd;

/// What became of work that was to run under a lock.
///
/// Exhaustive on purpose: a caller decides what to do in each case, and the compiler should tell it
/// of a new one.
#[derive(Debug)]
#[must_use = "work that did not run is not an error"]
pub enum Outcome<T> {
    /// The work ran to its end.
    Ran {
        /// What it returned. Its errors are never masked by those of the lock.
        value: T,
        /// Whether it had the lock for itself all the time.
        lease: LeaseEnd,
    },
    /// The lease was lost, and the work was dropped.
    Lost {
        /// For how long it had run.
        ran_for: Duration,
    },
    /// The work did not run: another holder has the lock.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// How long it will stay there unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The work did not run: the store could not be asked. Try again later.
    Unavailable(Error),
    /// The work did not run: the name or the ttl is wrong. It will not run until the call is
    /// changed.
    Invalid(Error),
}

/// What became of an attempt to acquire a lock.
///
/// Exhaustive on purpose, like [`Outcome`].
#[derive(Debug)]
#[must_use = "an acquired lock is released when it is dropped"]
pub enum Acquisition {
    /// The lock is ours until the guard is dropped.
    Acquired(LeaseGuard),
    /// Another holder has the lock.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// How long it will stay there unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The store could not be asked. Try again later.
    Unavailable(Error),
    /// The name or the ttl is wrong. The lock cannot be acquired until the call is changed.
    Invalid(Error),
}

/// What becomes of work when the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OnUnavailable {
    /// The work does not run, and the outcome says why. This is the default.
    #[default]
    FailClosed,
    /// The work runs without a lock, on every replica that cannot reach the store, as the
    /// platform's Node services do. Each such run is marked: see [`LeaseEnd::Unprotected`] and
    /// [`Lease::is_protected`](crate::Lease::is_protected).
    FailOpen,
}

/// What becomes of running work when its lease is lost.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OnLoss {
    /// The future of the work is dropped at its next await. This is the default.
    #[default]
    DropWork,
    /// The work goes on, and has to call [`Lease::check`](crate::Lease::check) itself.
    KeepRunning,
}
