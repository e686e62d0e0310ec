//! What time it is on a replica.
//!
//! A replica goes by its own clock, or by the store's where that is ahead of it. A replica whose
//! clock is behind would come for its ticks late, and would find them past their grace if it is
//! alone. How far it is behind is measured at every look at the store. (A clock that is *ahead* of
//! the store's is handled by the store, which refuses a claim that is too early, and clocks that
//! differ by too much stop the job: see [`knowledge`](super::knowledge).)

use std::time::{Duration, SystemTime};

use crate::mutex::Mutex;
use crate::scheduler::tick::Tick;

/// Where this replica reads the time of day.
pub(super) struct LocalClock(Box<dyn Fn() -> SystemTime + Send + Sync>);

/// How far this replica's clock is behind the store's.
pub(super) struct ClockOffset(Mutex<Duration>);

// ===== impl LocalClock =====

impl LocalClock {
    pub(super) fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Box::new(clock))
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

// ===== impl ClockOffset =====

impl ClockOffset {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Duration::ZERO))
    }

    /// Takes the store's clock as it was answered a moment ago.
    pub(super) fn measure(&self, clock: &LocalClock, store: Tick) {
        // Read before the lock is taken: a clock may panic.
        let local = Tick::from(clock.now());
        *self.0.lock() = local.until(store);
    }

    pub(super) fn now(&self, clock: &LocalClock) -> Tick {
        let now = clock.now();
        Tick::from(now + *self.0.lock())
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
        offset.measure(&at(5000), Tick::from_millis(8000));
        assert_eq!(offset.now(&at(5100)), Tick::from_millis(8100));
        offset.measure(&at(9000), Tick::from_millis(8000));
        assert_eq!(offset.now(&at(9100)), Tick::from_millis(9100));
    }
}
