//! A scheduled instant.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The instant at which a job is due, in whole milliseconds since the epoch.
///
/// It names the run. It is the instant of the schedule and not the one at which a replica got round
/// to it, so that all replicas mean the same run by the same tick, whatever their clocks say.
///
/// With serde it is a number of milliseconds. As text it is an RFC 3339 instant, and both forms are
/// understood:
///
/// ```
/// use civic_lock::Tick;
///
/// let tick = Tick::from_millis(1_772_089_200_000);
/// assert_eq!(tick.to_string(), "2026-02-26T07:00:00Z");
/// assert_eq!("2026-02-26T07:00:00Z".parse::<Tick>()?, tick);
/// assert_eq!("1772089200000".parse::<Tick>()?, tick);
/// # Ok::<(), civic_lock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Tick(u64);

impl Tick {
    /// Creates the instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the time from this instant to a later one; zero if that one is not later.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// Returns the time between two instants, whichever is the later one.
    pub(super) const fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }
}

impl From<SystemTime> for Tick {
    /// Cuts to the millisecond. Anything before the epoch becomes the epoch.
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

impl FromStr for Tick {
    type Err = Error;

    /// Parses an RFC 3339 instant, or a number of milliseconds since the epoch.
    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(millis) = text.parse() {
            return Ok(Self(millis));
        }
        let invalid = |_| {
            Error::config(format!(
                "the tick {text:?} is neither an instant such as 2026-02-26T07:00:00Z nor \
                 milliseconds since the epoch"
            ))
        };
        let instant: Timestamp = text.parse().map_err(invalid)?;
        u64::try_from(instant.as_millisecond())
            .map(Self)
            .map_err(|_| Error::config(format!("the tick {text:?} is before the epoch")))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = i64::try_from(self.0)
            .ok()
            .and_then(|millis| Timestamp::from_millisecond(millis).ok());
        match instant {
            Some(instant) => instant.fmt(f),
            // Beyond the year 9999.
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_reads_back_what_it_writes() {
        for millis in [0, 1, 1_772_089_200_000, 1_772_089_200_123, u64::MAX] {
            let tick = Tick::from_millis(millis);
            assert_eq!(
                tick.to_string().parse::<Tick>().expect("its own text"),
                tick
            );
            let json = serde_json::to_string(&tick).expect("a number");
            assert_eq!(json, millis.to_string());
            assert_eq!(serde_json::from_str::<Tick>(&json).expect("a number"), tick);
        }
    }

    #[test]
    fn a_text_that_is_no_instant_is_refused() {
        for text in [
            "",
            "soon",
            "-1",
            "2026-02-26",
            "1969-12-31T23:59:59Z",
            "1.5",
        ] {
            assert!(text.parse::<Tick>().is_err(), "{text:?}");
        }
    }
}
