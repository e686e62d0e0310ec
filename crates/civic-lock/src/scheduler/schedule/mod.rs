//! When a job is due: cron expressions in a time zone, and intervals.
//!
//! A [`Schedule`] is a pure function from an instant to the ticks around it. Every replica that is
//! given the same text, the same zone and the same time zone data computes the same ticks; no
//! clock is read here. Replicas with different releases of the time zone database may disagree
//! about a zone whose rules were changed by law in between: that is not detected.
//!
//! # Cron expressions
//!
//! Five fields (minute, hour, day of month, month, day of week), or six with seconds in front, or
//! seven with a year behind; `*`, lists, ranges, `*/n`, `a-b/n`, names (`JAN`, `MON`), `?`, `L`
//! (last day, last such weekday), `LW`, `15W` (nearest weekday), `MON#2` (second Monday), and the
//! nicknames `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. If day of month and day of week
//! are both given, a day that matches either is taken; a `+` in front of the day of week asks for
//! both. An expression that can never match, such as 31 February, is refused.
//!
//! # When the clocks change
//!
//! The rules are those of the classic cron daemons. A *fixed* expression is one whose second, minute and hour
//! are single values, lists or ranges; with `*` or a step in one of them it is a *repeating* one.
//!
//! | expression | the clock skips its time | the clock repeats its time |
//! |---|---|---|
//! | fixed, `30 2 * * *` | runs once, when the gap ends | runs once, the first time round |
//! | repeating, `*/15 * * * *` | has nothing to do there | runs both times round, evenly |
//!
//! # Intervals
//!
//! `@every 30s` is due at each multiple of 30 s since the epoch, whatever the instant at which the
//! process started, so that all replicas agree. A time zone has no influence on it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use croner::{Cron, CronComponent, Direction};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::error::Error;
use crate::scheduler::tick::Tick;

/// The longest interval: a year, so that an overflow cannot be asked for.
const LONGEST_INTERVAL: Duration = Duration::from_secs(366 * 86_400);

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

#[derive(Clone, Debug)]
struct CronRule {
    cron: Cron,
    zone: TimeZone,
    repeating: bool,
}

// === impl Schedule ===

impl Schedule {
    /// A cron expression, in UTC until [`timezone`](Self::timezone) says otherwise.
    ///
    /// # Errors
    ///
    /// The expression cannot be parsed, or no instant can ever match it.
    pub fn cron(expression: &str) -> Result<Self, Error> {
        let cron = Cron::from_str(expression)
            .map_err(|error| Error::config(format!("cron expression {expression:?}: {error}")))?;
        let never = || Error::config(format!("cron expression {expression:?} never matches"));
        let pattern = &cron.pattern;
        // The parser lets empty list elements pass; without this check "," would make the search
        // below walk three thousand years hour by hour.
        let time_fields = [&pattern.seconds, &pattern.minutes, &pattern.hours];
        let filled = |field: &&CronComponent| !field.values().is_empty();
        if !time_fields
            .iter()
            .chain(&[&pattern.months, &pattern.years])
            .all(filled)
        {
            return Err(never());
        }
        let repeating = time_fields.into_iter().any(|field| {
            let all = usize::from(field.max - field.min) + 1;
            field.from_wildcard || field.step != 1 || field.values().len() == all
        });
        let rule = CronRule {
            cron,
            zone: TimeZone::UTC,
            repeating,
        };
        rule.civil(
            DateTime::constant(1970, 1, 1, 0, 0, 0, 0),
            true,
            Direction::Forward,
        )
        .ok_or_else(never)?;
        Ok(Self {
            text: expression.trim().to_owned(),
            rule: Rule::Cron(Box::new(rule)),
        })
    }

    /// Every multiple of `interval` since the epoch.
    ///
    /// # Errors
    ///
    /// The interval is zero, longer than 366 days, or not a whole number of milliseconds.
    pub fn every(interval: Duration) -> Result<Self, Error> {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 || interval > LONGEST_INTERVAL || Duration::from_millis(millis) != interval {
            return Err(Error::config(format!(
                "interval {interval:?}: must be a whole number of milliseconds, from 1 ms to 366 days"
            )));
        }
        Ok(Self {
            text: format!("@every {millis}ms"),
            rule: Rule::Every(millis),
        })
    }

    /// Reads a cron expression in the time zone with this IANA name, such as `America/Montreal`.
    ///
    /// An interval has no time of day and stays as it is.
    ///
    /// Defaults to UTC.
    ///
    /// # Errors
    ///
    /// The name is not in the system's time zone database, nor in the one that is built in.
    pub fn timezone(mut self, name: &str) -> Result<Self, Error> {
        // The system's copy is newer when it knows the zone; distributions leave out old names.
        let zone = TimeZone::get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .map_err(|_| Error::config(format!("time zone {name:?} is not known")))?;
        if let Rule::Cron(rule) = &mut self.rule {
            rule.zone = zone;
        }
        Ok(self)
    }

    /// The first tick strictly after an instant; `None` if there is no other.
    #[must_use]
    pub fn next_after(&self, instant: Tick) -> Option<Tick> {
        match &self.rule {
            Rule::Every(millis) => {
                let next = (instant.as_millis() / millis)
                    .checked_add(1)?
                    .checked_mul(*millis)?;
                Some(Tick::from_millis(next))
            }
            Rule::Cron(rule) => rule.next_after(second_of(instant)?).and_then(tick_of),
        }
    }

    /// The last tick that is not later than an instant; `None` if there is none since the epoch.
    #[must_use]
    pub fn latest_at_or_before(&self, instant: Tick) -> Option<Tick> {
        match &self.rule {
            Rule::Every(millis) => Some(Tick::from_millis(instant.as_millis() / millis * millis)),
            Rule::Cron(rule) => rule
                .latest_at_or_before(second_of(instant)?)
                .and_then(tick_of),
        }
    }

    /// The ticks later than `after` and not later than `until`, in order.
    pub fn between(&self, after: Tick, until: Tick) -> impl Iterator<Item = Tick> + '_ {
        std::iter::successors(self.next_after(after), |tick| self.next_after(*tick))
            .take_while(move |tick| *tick <= until)
    }
}

impl FromStr for Schedule {
    type Err = Error;

    /// A cron expression, or `@every` with a duration such as `1s`, `250ms` or `1h30m`.
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
            Rule::Cron(rule) => write!(formatter, " {}", rule.zone.iana_name().unwrap_or("UTC")),
        }
    }
}

// === impl CronRule ===

impl CronRule {
    fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        if self.repeating {
            return self.next_repeating(instant);
        }
        let mut civil = self.zone.to_datetime(instant);
        loop {
            civil = self.civil(civil, false, Direction::Forward)?;
            // Not later only while the clock repeats an hour that was served the first time round.
            if let Some(due) = self.fixed_instant(civil).filter(|due| *due > instant) {
                return Some(due);
            }
        }
    }

    /// Between two changes of the offset civil time and real time run in parallel: search the one
    /// stretch after the other.
    fn next_repeating(&self, instant: Timestamp) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (instant, false);
        loop {
            let offset = self.zone.to_offset(from);
            let civil = self.civil(offset.to_datetime(from), inclusive, Direction::Forward)?;
            let due = offset.to_timestamp(civil).ok()?;
            match self.zone.following(from).next() {
                Some(change) if due >= change.timestamp() => {
                    (from, inclusive) = (change.timestamp(), true);
                }
                _ => return Some(due),
            }
        }
    }

    fn latest_at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        if self.repeating {
            return self.latest_repeating(instant);
        }
        // While the clock repeats an hour, times that are later on the clock face are in the past.
        let mut civil = match self.change_at_or_before(instant) {
            Some(change) => {
                let before = self
                    .zone
                    .to_offset(change.checked_sub(Duration::from_secs(1)).ok()?);
                before
                    .to_datetime(instant)
                    .max(self.zone.to_datetime(instant))
            }
            None => self.zone.to_datetime(instant),
        };
        let mut inclusive = true;
        loop {
            civil = self.civil(civil, inclusive, Direction::Backward)?;
            if let Some(due) = self.fixed_instant(civil).filter(|due| *due <= instant) {
                return Some(due);
            }
            inclusive = false;
        }
    }

    fn latest_repeating(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut from = instant;
        loop {
            let offset = self.zone.to_offset(from);
            let civil = self.civil(offset.to_datetime(from), true, Direction::Backward)?;
            let due = offset.to_timestamp(civil).ok()?;
            match self.change_at_or_before(from) {
                Some(change) if due < change => {
                    from = change.checked_sub(Duration::from_secs(1)).ok()?;
                }
                _ => return Some(due),
            }
        }
    }

    /// The instant of a civil time for a fixed expression: the first of two, and the end of the gap
    /// for a time that does not exist. It never decreases with the civil time.
    fn fixed_instant(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                self.change_at_or_before(before.to_timestamp(civil).ok()?)
            }
        }
    }

    fn change_at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let just_after = instant.checked_add(Duration::from_nanos(1)).ok()?;
        Some(self.zone.preceding(just_after).next()?.timestamp())
    }

    /// The nearest matching civil time. Searched in UTC, where each exists once: the change of the
    /// clocks is this file's business, not the parser's, whose own rule takes `30 2,14 * * *` for
    /// a repeating expression and would run it twice in autumn and not at all in spring.
    fn civil(&self, from: DateTime, inclusive: bool, direction: Direction) -> Option<DateTime> {
        let from = from.to_zoned(TimeZone::UTC).ok()?;
        let found = match direction {
            Direction::Forward => self.cron.find_next_occurrence(&from, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(&from, inclusive),
        };
        found.ok().map(|found| found.datetime())
    }
}

/// Cron works in whole seconds; a tick is later than an instant if it is later than its second.
fn second_of(instant: Tick) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(instant.as_millis() / 1000).ok()?).ok()
}

fn tick_of(instant: Timestamp) -> Option<Tick> {
    u64::try_from(instant.as_millisecond())
        .ok()
        .map(Tick::from_millis)
}

/// `1h30m`, `250ms`: whole numbers with a unit, in any order.
fn duration(text: &str) -> Result<Duration, Error> {
    let invalid = || {
        Error::config(format!(
            "interval {text:?}: expected numbers with ms, s, m, h or d"
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
