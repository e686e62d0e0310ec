//! When a job is due: cron expressions in a time zone, and intervals.
//!
//! A [`Schedule`] is a pure function from an instant to the ticks around it: it reads no clock.
//! Every replica that is given the same text, the same zone and the same time zone data computes
//! the same ticks. Replicas with different releases of the time zone database may disagree about a
//! zone whose rules were changed by law in between; that is not detected.
//!
//! # Cron expressions
//!
//! Five fields (minute, hour, day of month, month, day of week), or six with seconds in front, or
//! seven with a year at the end; `*`, lists, ranges, `*/n`, `a-b/n`, `a/n` (from `a` to the
//! maximum), names (`JAN`, `MON`), `?`, `L` (last day, last such weekday), `LW`, `15W` (nearest
//! weekday), `MON#2` (second Monday), and the nicknames `@secondly`, `@minutely`, `@hourly`,
//! `@daily`, `@midnight`, `@weekly`, `@weekdays`, `@weekends`, `@monthly`, `@yearly` and
//! `@annually`. Case does not matter. If day of month and day of week are both restricted, a day
//! that matches either is taken; a `+` in front of the day of week asks for both. An expression
//! that can never match, such as 31 February, is refused.
//!
//! Every expression that the Node package `cron` accepts is accepted, with the same meaning. Its
//! default time zone is that of the process; here it is UTC. What is refused is refused with the
//! form to write instead: for `0 22-2 * * *`, it is `22-23,0-2`.
//!
//! # When the clocks change
//!
//! The rules are those of the classic cron daemons. A *fixed* expression is one whose second,
//! minute and hour are single values, lists or ranges. With `*` or a step in one of them it is a
//! *repeating* one.
//!
//! | expression | the clock skips its time | the clock repeats its time |
//! |---|---|---|
//! | fixed, `30 2 * * *` | runs once, when the gap ends | runs once, the first time |
//! | repeating, `*/15 * * * *` | has nothing to do there | runs both times, evenly |
//!
//! # Intervals
//!
//! `@every 30s` is due at each multiple of 30 s since the epoch, whatever the instant at which the
//! process started, so that all replicas agree. A time zone has no influence on it.

mod cron;
mod expression;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::error::Error;
use crate::scheduler::schedule::cron::CronRule;
use crate::scheduler::tick::Tick;
use crate::store::sighting::Fingerprint;

/// The longest interval: a year, so that no interval can overflow.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 86_400);

/// When a job is due. See the [module documentation](self) for the rules.
///
/// ```
/// use civic_lock::{Schedule, Tick};
///
/// let nightly: Schedule = "0 2 * * *".parse()?;
/// let nightly = nightly.timezone("America/Toronto")?;
/// let noon_utc = Tick::from_millis(1_772_020_800_000); // 2026-02-25T12:00:00Z
/// let due = nightly.next_after(noon_utc).expect("there is always another night");
/// assert_eq!(due.as_millis(), 1_772_089_200_000); // 2026-02-26T07:00:00Z
/// # Ok::<(), civic_lock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Every(u64),
    Cron(Box<CronRule>),
}

// ===== impl Schedule =====

impl Schedule {
    /// Creates a schedule from a cron expression, in UTC unless [`timezone`](Self::timezone) is
    /// set.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if the expression cannot be parsed,
    /// or if no instant can ever match it.
    pub fn cron(expression: &str) -> Result<Self, Error> {
        let rule = CronRule::parse(expression)?;
        Ok(Self {
            text: expression.split_whitespace().collect::<Vec<_>>().join(" "),
            rule: Rule::Cron(Box::new(rule)),
        })
    }

    /// Creates a schedule that is due at every multiple of `interval` since the epoch.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if the interval is zero, longer than
    /// 366 days, or not a whole number of milliseconds.
    pub fn every(interval: Duration) -> Result<Self, Error> {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 || interval > MAX_INTERVAL || Duration::from_millis(millis) != interval {
            return Err(Error::config(format!(
                "the interval is {interval:?}; it must be a whole number of milliseconds, from 1 ms to \
                 366 days"
            )));
        }
        Ok(Self {
            text: format!("@every {millis}ms"),
            rule: Rule::Every(millis),
        })
    }

    /// Reads a cron expression in a time zone: an IANA name such as `America/Montreal`, or a fixed
    /// offset such as `UTC+3` or `+02:00`.
    ///
    /// An interval has no time of day and stays as it is.
    ///
    /// Defaults to UTC.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if it is not an offset, and the name
    /// is neither in the system's time zone database nor in the one that is built in.
    pub fn timezone(mut self, name: &str) -> Result<Self, Error> {
        // The system's copy is newer when it knows the zone; distributions leave out old names.
        let zone = TimeZone::get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .ok()
            .or_else(|| fixed_offset(name).map(TimeZone::fixed))
            .ok_or_else(|| {
                Error::config(format!(
                    "the time zone {name:?} is not known; use an IANA name such as \
                     America/Toronto, or an offset such as UTC+3 or +02:00"
                ))
            })?;
        if let Rule::Cron(rule) = &mut self.rule {
            rule.zone = zone;
        }
        Ok(self)
    }

    /// Returns what tells this schedule from others: its expression and its time zone.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.to_string())
    }

    /// Parses what [`Display`](fmt::Display) writes: an interval, or a cron expression with its
    /// time zone. The store keeps the schedules of a job in this form.
    ///
    /// # Errors
    ///
    /// See [`cron`](Self::cron), [`every`](Self::every) and [`timezone`](Self::timezone).
    pub fn from_text(text: &str) -> Result<Self, Error> {
        match text.rsplit_once(' ') {
            Some((expression, zone)) if !text.starts_with("@every") => {
                Self::cron(expression)?.timezone(zone)
            }
            _ => text.parse(),
        }
    }

    /// Returns the first tick strictly after an instant; `None` if there is none.
    #[must_use]
    pub fn next_after(&self, instant: Tick) -> Option<Tick> {
        match &self.rule {
            Rule::Every(millis) => {
                let next = (instant.as_millis() / millis)
                    .checked_add(1)?
                    .checked_mul(*millis)?;
                Some(Tick::from_millis(next))
            }
            Rule::Cron(rule) => rule.next_after(instant),
        }
    }

    /// Returns the last tick that is not later than an instant; `None` if there is none since the
    /// epoch.
    #[must_use]
    pub fn latest_at_or_before(&self, instant: Tick) -> Option<Tick> {
        match &self.rule {
            Rule::Every(millis) => Some(Tick::from_millis(instant.as_millis() / millis * millis)),
            Rule::Cron(rule) => rule.latest_at_or_before(instant),
        }
    }

    /// Returns the ticks later than `after` and not later than `until`, in order.
    pub fn between(&self, after: Tick, until: Tick) -> impl Iterator<Item = Tick> + '_ {
        std::iter::successors(self.next_after(after), |tick| self.next_after(*tick))
            .take_while(move |tick| *tick <= until)
    }
}

impl FromStr for Schedule {
    type Err = Error;

    /// Parses a cron expression, or `@every` with a duration such as `1s`, `250ms` or `1h30m`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim().strip_prefix("@every") {
            Some(interval) if interval.starts_with(char::is_whitespace) => {
                Self::every(duration(interval.trim())?)
            }
            _ => Self::cron(text),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        match &self.rule {
            Rule::Every(_) => Ok(()),
            Rule::Cron(rule) => match (rule.zone.iana_name(), rule.zone.to_fixed_offset()) {
                (Some(name), _) => write!(formatter, " {name}"),
                (None, Ok(offset)) => write!(formatter, " UTC{offset}"),
                (None, Err(_)) => write!(formatter, " UTC"),
            },
        }
    }
}

/// Parses `UTC+3`, `UTC-03:30` or `+02:00`.
fn fixed_offset(text: &str) -> Option<Offset> {
    let (named, text) = match text.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("UTC") => (true, &text[3..]),
        _ => (false, text),
    };
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let digits = |text: &str, max: i32| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain);
        number.filter(|number| *number <= max)
    };
    let (hours, minutes) = match text.split_once(':') {
        Some((hours, minutes)) => (digits(hours, 14)?, digits(minutes, 59)?),
        // A bare number without the name could be a port or a day.
        None if named => (digits(text, 14)?, 0),
        None => return None,
    };
    Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()
}

/// Parses `1h30m` or `250ms`: whole numbers with units, in any order.
fn duration(text: &str) -> Result<Duration, Error> {
    let invalid = || {
        Error::config(format!(
            "the interval {text:?} must be whole numbers with the units ms, s, m, h or d, such as \
             1h30m, or 1500ms for one and a half seconds"
        ))
    };
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(invalid)?;
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let factor = match &rest[..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(invalid()),
        };
        millis = number
            .checked_mul(factor)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(invalid)?;
        rest = &rest[unit..];
    }
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
