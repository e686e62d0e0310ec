//! The clock by which a lease counts its own time.
//!
//! `CLOCK_BOOTTIME` where the system has it. Unlike [`std::time::Instant`] it goes on while the
//! machine is suspended, as the store's clock does.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Returns the time since a moment in the past that is the same for every process of this boot.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(CLOCK);
    // Neither field is negative: the clock starts at zero.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Returns a time as nanoseconds, for atomics. 584 years of uptime fit.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
