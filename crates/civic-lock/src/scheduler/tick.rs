//! A scheduled instant.

use std::fmt;
use std::time::{Duration, SystemTime};

/// The instant at which a job is due, in whole milliseconds since the epoch.
///
/// It names the run: it is the instant of the schedule, not the one at which somebody got round to
/// it, so that all replicas mean the same run by the same tick whatever their clocks say.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from this instant to a later one; zero if that one is not later.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl From<SystemTime> for Tick {
    /// Cut to the millisecond; the epoch itself for anything before it.
    fn from(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Tick> for SystemTime {
    fn from(tick: Tick) -> Self {
        Self::UNIX_EPOCH + Duration::from_millis(tick.0)
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = i64::try_from(self.0)
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        match instant {
            Some(instant) => instant.fmt(formatter),
            None => write!(formatter, "{} ms", self.0),
        }
    }
}
