//! What a leader holds.

use std::fmt;

#[cfg(feature = "layer")]
use http::{HeaderName, HeaderValue};

use crate::election::terms::Departure;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::{Lease, LeaseEnd, LeaseLost};
use crate::lease::machine::LostReason;

/// Keeps the leadership of an [`Election`](crate::Election), and resigns when it is dropped.
///
/// It is renewed in the background. Stop what only a leader may do as soon as [`lost`](Self::lost)
/// returns; [`Election::run_while_leader`](crate::Election::run_while_leader) does that by itself.
#[must_use = "a leader resigns when its leadership is dropped"]
pub struct Leadership {
    // Dropped in this order.
    guard: LeaseGuard,
    _departure: Departure,
}

// ===== impl Leadership =====

impl Leadership {
    pub(super) fn new(guard: LeaseGuard, departure: Departure) -> Self {
        Self {
            guard,
            _departure: departure,
        }
    }

    /// Returns a view of the lease, for the work: it can be cloned, and does not keep the
    /// leadership alive.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        self.guard.lease()
    }

    /// Returns the fencing token of this term: larger than that of every earlier leader.
    ///
    /// Send it with each write, to a resource that refuses smaller ones: see [`Lease::fence`].
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.lease().fence()
    }

    /// Returns the fence as a header of a request: see [`Lease::fence_header`].
    #[cfg(feature = "layer")]
    #[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
    #[must_use]
    pub fn fence_header(&self) -> (HeaderName, HeaderValue) {
        self.lease().fence_header()
    }

    /// Checks that no one else can have been elected by now. Call it before each side effect: see
    /// [`Lease::check`].
    ///
    /// # Errors
    ///
    /// Returns [`LeaseLost`] once the leadership is lost.
    pub fn check(&self) -> Result<(), LeaseLost> {
        self.lease().check()
    }

    /// Waits until the leadership is lost, and returns why. It returns before anyone else can be
    /// elected, provided that the runtime is not blocked and the process is not stopped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a leadership that is lost stays lost.
    pub async fn lost(&self) -> LostReason {
        self.lease().lost().await
    }

    /// Resigns, so that another candidate is elected at once, and returns whether the leadership
    /// lasted until now. Returns within the command timeout.
    ///
    /// A candidate of this election that campaigns again lets others go first, for half a second.
    /// Dropping the leadership does the same in the background.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the candidate resigns even if the returned future is dropped, or never polled.
    pub async fn resign(self) -> LeaseEnd {
        self.guard.release().await
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leadership").field(self.lease()).finish()
    }
}
