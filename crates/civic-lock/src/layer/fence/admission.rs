//! Whether a fence is let in, and where the largest one is remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::layer::fence::refusal::FenceRefusal;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::service::LockService;
use crate::store::answer::Admission;
use crate::store::command::AdmitFence;

/// How far a fence may be ahead of the clock. A fence is never far from the clock of the store that
/// has given it out, and that store need not be the callee's.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the largest fence of each lock is remembered.
#[derive(Clone, Debug)]
pub(super) enum Admissions {
    /// In the store, among all replicas of the callee.
    Store(LockService),
    /// In this process.
    Memory(Memory),
}

/// The largest fence of each lock that was let in by this process.
#[derive(Clone)]
pub(super) struct Memory {
    largest: Arc<Mutex<HashMap<LockName, u64>>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

// ===== impl Admissions =====

impl Admissions {
    /// Admits all fences of a request, in their order. The first that is refused ends it.
    pub(super) async fn admit(&self, fences: &[(LockName, u64)]) -> Result<(), FenceRefusal> {
        for (name, fence) in fences {
            let (name, fence) = (name.clone(), *fence);
            if fence == 0 {
                return Err(FenceRefusal::Unprotected { name });
            }
            let command = AdmitFence {
                fence,
                ahead: AHEAD,
            };
            let admission = match self {
                Self::Store(locks) => locks.acquirer().leases().store().run(&name, command).await,
                Self::Memory(memory) => Ok(memory.admit(&name, &command)),
            };
            match admission {
                Ok(Admission::Admitted) => {}
                Ok(Admission::Stale { largest }) => {
                    return Err(FenceRefusal::Stale {
                        name,
                        fence,
                        largest,
                    });
                }
                Ok(Admission::AheadOfClock) => {
                    return Err(FenceRefusal::AheadOfClock { name, fence });
                }
                Err(error) => return Err(FenceRefusal::Unavailable(Arc::new(error))),
            }
        }
        Ok(())
    }
}

// ===== impl Memory =====

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            largest: Arc::default(),
            clock: Arc::new(SystemTime::now),
        }
    }

    pub(super) fn with_clock(
        mut self,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn admit(&self, name: &LockName, command: &AdmitFence) -> Admission {
        let now = (self.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let latest = now.saturating_add(command.ahead).as_micros();
        if u128::from(command.fence) > latest {
            return Admission::AheadOfClock;
        }
        let mut all = self.largest.lock();
        let largest = all.entry(name.clone()).or_default();
        if command.fence < *largest {
            return Admission::Stale { largest: *largest };
        }
        *largest = command.fence;
        Admission::Admitted
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
