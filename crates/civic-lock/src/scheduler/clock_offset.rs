//! What time it is on a replica.
//!
//! A replica goes by its own clock, or by the store's where that is ahead of it: a replica whose
//! clock is behind would come for its ticks late, and find them past their grace if it is alone.
//! How far it is behind is asked now and then. (A clock that is *ahead* of the store's is dealt with
//! by the store, which refuses a claim that is too early.)

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::scheduler::tick::Tick;

/// A measurement is repeated after this long.
const LIFE: Duration = Duration::from_secs(30);

pub(super) type OwnClock = dyn Fn() -> SystemTime + Send + Sync;

/// How far this replica's clock is behind the store's.
pub(super) struct Lag(Mutex<Measured>);

struct Measured {
    behind: Duration,
    at: Option<Instant>,
}

impl Lag {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Measured {
            behind: Duration::ZERO,
            at: None,
        }))
    }

    pub(super) fn is_due(&self) -> bool {
        self.measured().at.is_none_or(|at| at.elapsed() >= LIFE)
    }

    /// The store's clock as it was answered a moment ago; none if there was no answer, in which case
    /// the last one stays.
    pub(super) fn measure(&self, own: &OwnClock, store: Option<Tick>) {
        let mut measured = self.measured();
        measured.at = Some(Instant::now());
        if let Some(store) = store {
            measured.behind = Tick::from(own()).until(store);
        }
    }

    pub(super) fn now(&self, own: &OwnClock) -> Tick {
        Tick::from(own() + self.measured().behind)
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> impl Fn() -> SystemTime + Send + Sync {
        move || SystemTime::from(Tick::from_millis(millis))
    }

    #[test]
    fn a_clock_that_is_behind_goes_by_the_store_and_one_that_is_ahead_by_itself() {
        let lag = Lag::new();
        assert_eq!(lag.now(&at(5000)), Tick::from_millis(5000));
        lag.measure(&at(5000), Some(Tick::from_millis(8000)));
        assert_eq!(lag.now(&at(5100)), Tick::from_millis(8100));
        lag.measure(&at(9000), Some(Tick::from_millis(8000)));
        assert_eq!(lag.now(&at(9100)), Tick::from_millis(9100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_measurement_is_repeated_after_30_s_also_if_the_store_did_not_answer() {
        let lag = Lag::new();
        assert!(lag.is_due());
        lag.measure(&at(5000), Some(Tick::from_millis(8000)));
        assert!(!lag.is_due());
        tokio::time::advance(LIFE).await;
        assert!(lag.is_due());
        lag.measure(&at(5000), None);
        assert!(!lag.is_due());
        assert_eq!(
            lag.now(&at(5000)),
            Tick::from_millis(8000),
            "what was known stays known"
        );
    }
}
