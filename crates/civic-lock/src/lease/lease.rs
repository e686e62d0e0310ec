//! The view that the work has of its lease.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "layer")]
use http::{HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::boot_clock;
use crate::lease::machine::LostReason;
use crate::name::LockName;
use crate::store::holder::Holder;
use crate::timing::Ttl;
#[cfg(feature = "layer")]
use crate::x_fence::{self, X_FENCE};

/// A view of a lease. All clones show the same lease.
///
/// The lease is renewed in the background until its [`LeaseGuard`](crate::LeaseGuard) is dropped. A
/// view does not keep it alive.
#[derive(Clone)]
pub struct Lease(Arc<Shared>);

/// Whether a lease lasted until its work had ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LeaseEnd {
    /// No one else had the lock while the work ran.
    Kept,
    /// The lease was lost before the work had ended, so another holder may have had the lock too.
    Lost,
    /// There was no lease: the store was unavailable, and the service fails open.
    Unprotected,
}

/// The error of [`Lease::check`]: another holder may have the lock. Stop the work, or send the
/// [fence](Lease::fence) with each write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseLost {
    reason: LostReason,
}

/// What the task, the guard and the views of one lease share.
pub(crate) struct Shared {
    name: LockName,
    holder: Holder,
    fence: u64,
    ttl: Ttl,
    /// From this moment on, another holder may have the lock. In nanoseconds of the boot clock.
    deadline: AtomicU64,
    ended: AtomicU8,
    token: CancellationToken,
    protection: Protection,
}

/// Whether there is a lock behind a lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Protection {
    Protected,
    Unprotected,
}

const LIVE: u8 = 0;

const fn code(reason: LostReason) -> u8 {
    match reason {
        LostReason::NotOwner => 1,
        LostReason::Expired => 2,
        LostReason::MaxHold => 3,
        LostReason::Released => 4,
    }
}

// ===== impl Shared =====

impl Shared {
    pub(super) fn new(
        name: LockName,
        holder: Holder,
        fence: u64,
        ttl: Ttl,
        deadline: Duration,
    ) -> Self {
        Self {
            name,
            holder,
            fence,
            ttl,
            deadline: AtomicU64::new(boot_clock::nanos(deadline)),
            ended: AtomicU8::new(LIVE),
            token: CancellationToken::new(),
            protection: Protection::Protected,
        }
    }

    pub(super) fn name(&self) -> &LockName {
        &self.name
    }

    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    pub(super) fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Moves the deadline after a renewal was confirmed.
    pub(super) fn extend(&self, deadline: Duration) {
        self.deadline
            .store(boot_clock::nanos(deadline), Ordering::Release);
    }

    /// Tells every view that the lease has ended. If it has ended before, the first reason stays.
    pub(super) fn mark_ended(&self, reason: LostReason) {
        let first =
            self.ended
                .compare_exchange(LIVE, code(reason), Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.token.cancel();
        }
    }

    fn check(&self) -> Result<Duration, LeaseLost> {
        let reason = match self.ended.load(Ordering::Acquire) {
            LIVE => {
                let left = self
                    .deadline
                    .load(Ordering::Acquire)
                    .saturating_sub(boot_clock::nanos(boot_clock::now()));
                if left > 0 {
                    return Ok(Duration::from_nanos(left));
                }
                LostReason::Expired
            }
            1 => LostReason::NotOwner,
            3 => LostReason::MaxHold,
            4 => LostReason::Released,
            _ => LostReason::Expired,
        };
        Err(LeaseLost { reason })
    }
}

// ===== impl Lease =====

impl Lease {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Creates a lease without a lock, for work that runs although the store is unavailable.
    pub(crate) fn unprotected(name: LockName, holder: Holder, ttl: Ttl) -> Self {
        let mut shared = Shared::new(name, holder, 0, ttl, Duration::MAX);
        shared.protection = Protection::Unprotected;
        Self(Arc::new(shared))
    }

    pub(crate) fn mark_ended(&self, reason: LostReason) {
        self.0.mark_ended(reason);
    }

    /// Returns the name of the lock.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.0.name
    }

    /// Returns the value that this acquisition has stored under the key: `<host>:<pid>:<uuid>:<n>`.
    #[must_use]
    pub fn holder(&self) -> &str {
        self.0.holder.as_str()
    }

    /// Returns the fencing token: larger than that of every earlier holder of this lock, and less
    /// than 2^53.
    ///
    /// Send it with each write to a resource that refuses tokens smaller than the largest one it
    /// has seen. A resource that only records the token prevents nothing, but shows afterwards
    /// which holder made which write. The token is 0 if the lease is not
    /// [protected](Self::is_protected): a resource that has seen any other token refuses it.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.0.fence
    }

    /// Returns the fence as a header of a request, `X-Fence: <name>=<fence>`, for a service that
    /// compares it: with [`FenceLayer`](crate::layer::FenceLayer), or as the documents show for
    /// Node.
    ///
    /// Nothing sends it by itself: add it to each request that belongs to the work, one field per
    /// lock. The lease that is not [protected](Self::is_protected) has the fence 0, which the layer
    /// refuses: work that runs without a lock does not get past a resource that is fenced.
    #[cfg(feature = "layer")]
    #[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
    #[must_use]
    pub fn fence_header(&self) -> (HeaderName, HeaderValue) {
        (X_FENCE, x_fence::field(self.name(), self.fence()))
    }

    /// Returns the requested time to live.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.0.ttl.get()
    }

    /// Returns whether there is a lock behind the lease.
    ///
    /// Returns `false` only if the store was unavailable, in a service that
    /// [fails open](crate::OnUnavailable::FailOpen).
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.0.protection == Protection::Protected
    }

    /// Returns how long no other holder can have the lock, even without a further renewal; zero
    /// once the lease is lost or released.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.check().unwrap_or(Duration::ZERO)
    }

    /// Checks that no one else can have the lock right now. Call it before each side effect.
    ///
    /// It compares the clock with the deadline and does not depend on a background task, so it is
    /// exact even if the runtime was blocked or the process was stopped. The answer holds for the
    /// moment of the call: the process may be stopped between the call and the side effect, and
    /// only a [fence](Self::fence) protects against that.
    ///
    /// A lease that is not [protected](Self::is_protected) passes the check until it is released,
    /// although another holder may have the lock.
    ///
    /// # Errors
    ///
    /// Returns [`LeaseLost`] once the lease is lost or has been released.
    pub fn check(&self) -> Result<(), LeaseLost> {
        self.0.check().map(|_| ())
    }

    /// Waits until the lease is lost or released, and returns why.
    ///
    /// If the lease is lost because it was not renewed, this method returns before the key expires
    /// in the store, provided that the runtime is not blocked and the process is not stopped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a lease that has ended stays ended.
    pub async fn lost(&self) -> LostReason {
        self.0.token.cancelled().await;
        match self.0.check() {
            Err(lost) => lost.reason,
            // Unreachable: the reason is written before the token is cancelled.
            Ok(_) => LostReason::Expired,
        }
    }

    /// Returns a token that is cancelled when the lease is lost or released.
    ///
    /// Cancelling the returned token does not end the lease.
    #[must_use]
    pub fn cancellation_token(&self) -> CancellationToken {
        self.0.token.child_token()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("name", &self.0.name)
            .field("holder", &self.0.holder)
            .field("fence", &self.0.fence)
            .field("remaining", &self.remaining())
            .finish()
    }
}

// ===== impl LeaseLost =====

impl LeaseLost {
    /// Returns why the lease is lost.
    #[must_use]
    pub fn reason(&self) -> LostReason {
        self.reason
    }
}

impl fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lease is lost: {}", self.reason)
    }
}

impl std::error::Error for LeaseLost {}
