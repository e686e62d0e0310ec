//! What time it is on a replica.
//!
//! A replica goes by its own clock, or by the store's where that is ahead of it. A replica whose
//! clock is behind would come for its ticks late, and would find them past their grace if it is
//! alone. How far it is behind is measured now and then. (A clock that is *ahead* of the store's is
//! handled by the store, which refuses a claim that is too early.)

use std::sync::MutexGuard;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::mutex::Mutex;
use crate::scheduler::tick::Tick;

/// A measurement is repeated after this long.
const SAMPLE_TTL: Duration = Duration::from_secs(30);

/// Where this replica reads the time of day.
pub(super) struct LocalClock(Box<dyn Fn() -> SystemTime + Send + Sync>);

/// How far this replica's clock is behind the store's.
pub(super) struct ClockOffset(Mutex<Sample>);

struct Sample {
    behind: Duration,
    at: Option<Instant>,
}

// ===== impl LocalClock =====

impl LocalClock {
    pub(super) fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Box::new(clock))
    }

    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

// ===== impl ClockOffset =====

impl ClockOffset {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Sample {
            behind: Duration::ZERO,
            at: None,
        }))
    }

    pub(super) fn is_due(&self) -> bool {
        self.sample().at.is_none_or(|at| at.elapsed() >= SAMPLE_TTL)
    }

    /// Takes the store's clock as it was answered a moment ago. Without an answer the last
    /// measurement stays.
    pub(super) fn measure(&self, clock: &LocalClock, store: Option<Tick>) {
        // Read before the lock is taken: a clock may panic.
        let local = Tick::from(clock.now());
        let mut sample = self.sample();
        sample.at = Some(Instant::now());
        if let Some(store) = store {
            sample.behind = local.until(store);
        }
    }

    pub(super) fn now(&self, clock: &LocalClock) -> Tick {
        Tick::from(clock.now() + self.sample().behind)
    }

    fn sample(&self) -> MutexGuard<'_, Sample> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> LocalClock {
        LocalClock::new(move || SystemTime::from(Tick::from_millis(millis)))
    }

    #[test]
    fn a_clock_that_is_behind_goes_by_the_store_and_one_that_is_ahead_by_itself() {
        let offset = ClockOffset::new();
        assert_eq!(offset.now(&at(5000)), Tick::from_millis(5000));
        offset.measure(&at(5000), Some(Tick::from_millis(8000)));
        assert_eq!(offset.now(&at(5100)), Tick::from_millis(8100));
        offset.measure(&at(9000), Some(Tick::from_millis(8000)));
        assert_eq!(offset.now(&at(9100)), Tick::from_millis(9100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_measurement_is_repeated_after_30_s_even_if_the_store_did_not_answer() {
        let offset = ClockOffset::new();
        assert!(offset.is_due());
        offset.measure(&at(5000), Some(Tick::from_millis(8000)));
        assert!(!offset.is_due());
        tokio::time::advance(SAMPLE_TTL).await;
        assert!(offset.is_due());
        offset.measure(&at(5000), None);
        assert!(!offset.is_due());
        assert_eq!(
            offset.now(&at(5000)),
            Tick::from_millis(8000),
            "what was known stays known"
        );
    }
}
