//! What the work sees of its lease.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::boot_clock;
use crate::lease::machine::LostReason;
use crate::name::LockName;
use crate::store::holder::Holder;
use crate::timing::Ttl;

/// A view of a lease. Copies show the same lease; none of them keeps it alive.
#[derive(Clone)]
pub struct Lease(Arc<Shared>);

/// How a lease was when the work had ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LeaseEnd {
    /// Nobody else had the lock while the work ran.
    Kept,
    /// The lease was lost before the work had ended: somebody else may have had the lock too.
    LostAfter,
    /// There was no lease: the store was away and the service was told to run all the same.
    Unprotected,
}

/// The lease is no longer sure: stop, or let a fence decide.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseLost {
    reason: LostReason,
}

pub(crate) struct Shared {
    name: LockName,
    holder: Holder,
    fence: u64,
    ttl: Ttl,
    /// Nanoseconds of the lease's clock from which on it is not sure any more.
    deadline: AtomicU64,
    ended: AtomicU8,
    token: CancellationToken,
    protected: bool,
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
    pub(crate) fn new(
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
            deadline: AtomicU64::new(nanos(deadline)),
            ended: AtomicU8::new(LIVE),
            token: CancellationToken::new(),
            protected: true,
        }
    }

    pub(crate) fn name(&self) -> &LockName {
        &self.name
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    pub(crate) fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// A renewal was confirmed.
    pub(crate) fn extend(&self, deadline: Duration) {
        self.deadline.store(nanos(deadline), Ordering::Release);
    }

    /// Ends it for everybody who looks. The first reason stays.
    pub(crate) fn end(&self, reason: LostReason) {
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
                    .saturating_sub(nanos(boot_clock::now()));
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

/// 584 years of uptime fit.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// ===== impl Lease =====

impl Lease {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(super) fn end(&self, reason: LostReason) {
        self.0.end(reason);
    }

    /// No lease at all, for work that runs although the store is away.
    pub(crate) fn unprotected(name: LockName, holder: Holder, ttl: Ttl) -> Self {
        let mut shared = Shared::new(name, holder, 0, ttl, Duration::MAX);
        shared.protected = false;
        Self(Arc::new(shared))
    }

    /// The name of the lock.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.0.name
    }

    /// The value that this acquisition has put under the key: `<host>:<pid>:<uuid>:<n>`.
    #[must_use]
    pub fn holder(&self) -> &str {
        self.0.holder.as_str()
    }

    /// The fencing token: larger than that of every earlier holder of this lock, less than 2^53.
    ///
    /// Send it along with each write to a resource that refuses tokens smaller than the largest it
    /// has seen. Without such a resource it only helps to find out afterwards. It is 0, which every
    /// such resource refuses, when the lease is not [protected](Self::is_protected).
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.0.fence
    }

    /// The time to live that was asked for.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.0.ttl.get()
    }

    /// Whether there is a lock behind it. It is false only for work that a service that fails open
    /// runs while the store is away.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.0.protected
    }

    /// How long the lease is sure without a further renewal; zero once it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.check().unwrap_or(Duration::ZERO)
    }

    /// Whether nobody else can have the lock right now. Ask before each side effect.
    ///
    /// It reads the clock and nothing else, so it is exact even where the runtime has been blocked
    /// or the process was stopped. What it says is true of the moment of the call: between the call
    /// and the effect the process may be stopped, and only a [fence](Self::fence) covers that.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] once the lease is lost or has been released.
    pub fn check(&self) -> Result<(), LeaseLost> {
        self.0.check().map(|_| ())
    }

    /// Waits until the lease is lost or released, and says why.
    ///
    /// It returns before the key expires in the store, as long as the runtime is not blocked and
    /// the process is not stopped.
    pub async fn lost(&self) -> LostReason {
        self.0.token.cancelled().await;
        match self.0.check() {
            Err(lost) => lost.reason,
            // The token fires only after the reason was written.
            Ok(_) => LostReason::Expired,
        }
    }

    /// Cancelled when the lease is lost or released.
    #[must_use]
    pub fn cancellation_token(&self) -> CancellationToken {
        // A child, so that nobody can end the lease by cancelling what he was given.
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
    /// Why it is lost.
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
