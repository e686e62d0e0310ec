//! What an election remembers of the terms of its candidate.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::lease::lease::Lease;
use crate::lease::machine::LostReason;
use crate::mutex::Mutex;

/// For how long a candidate that has resigned lets others go first: longer than a hint takes, on
/// either store.
const GIVE_WAY: Duration = Duration::from_millis(500);

/// The terms of a candidate. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The leases that were not seen to have ended.
    leases: Vec<Lease>,
    resigned: Option<Instant>,
}

/// The end of a term. Dropped after the guard of its lease.
#[derive(Debug)]
pub(super) struct Departure {
    terms: Terms,
    lease: Lease,
}

// ===== impl Terms =====

impl Terms {
    pub(super) fn begin(&self, lease: &Lease) -> Departure {
        let mut inner = self.0.lock();
        inner.leases.retain(|lease| lease.check().is_ok());
        inner.leases.push(lease.clone());
        Departure {
            terms: self.clone(),
            lease: lease.clone(),
        }
    }

    /// Whether one of the leases is sure not to have ended.
    pub(super) fn is_leading(&self) -> bool {
        let inner = self.0.lock();
        inner.leases.iter().any(|lease| lease.check().is_ok())
    }

    /// Waits until others have had the time to be elected after a resignation.
    pub(super) async fn give_way(&self) {
        let resigned = self.0.lock().resigned;
        if let Some(resigned) = resigned {
            sleep_until(resigned + GIVE_WAY).await;
        }
    }
}

// ===== impl Departure =====

impl Drop for Departure {
    fn drop(&mut self) {
        let is_resignation = self
            .lease
            .check()
            .is_err_and(|lost| lost.reason() == LostReason::Released);
        let mut inner = self.terms.0.lock();
        inner.leases.retain(|lease| lease.check().is_ok());
        if is_resignation {
            inner.resigned = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::LockName;
    use crate::store::holder::Holder;
    use crate::timing::Ttl;

    fn lease() -> Lease {
        let ttl = Ttl::new(Duration::from_secs(15)).expect("a valid ttl");
        let name = LockName::new("reports").expect("a valid name");
        Lease::unprotected(name, Holder::new("a"), ttl)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_resigned_lets_others_go_first_and_one_that_has_lost_does_not() {
        let terms = Terms::default();
        for (reason, waits) in [
            (None, Duration::ZERO),
            (Some(LostReason::Expired), Duration::ZERO),
            (Some(LostReason::NotOwner), Duration::ZERO),
            (Some(LostReason::Released), GIVE_WAY),
        ] {
            if let Some(reason) = reason {
                let lease = lease();
                let departure = terms.begin(&lease);
                lease.mark_ended(reason);
                drop(departure);
            }
            let began = Instant::now();
            terms.give_way().await;
            assert_eq!(began.elapsed(), waits, "{reason:?}");
        }
    }

    #[test]
    fn a_candidate_leads_for_as_long_as_one_of_its_leases_is_sure() {
        let terms = Terms::default();
        assert!(!terms.is_leading());
        let (first, second) = (lease(), lease());
        let _departures = [terms.begin(&first), terms.begin(&second)];
        first.mark_ended(LostReason::Expired);
        assert!(terms.is_leading());
        second.mark_ended(LostReason::Released);
        assert!(!terms.is_leading());
    }
}
