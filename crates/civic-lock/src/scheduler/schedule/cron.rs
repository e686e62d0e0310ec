//! The instants of a cron expression in a time zone.

use std::str::FromStr;
use std::time::Duration;

use croner::{Cron, Direction};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::error::Error;
use crate::scheduler::schedule::expression::Expression;
use crate::scheduler::tick::Tick;

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub(super) struct CronRule {
    pub(super) cron: Cron,
    pub(super) zone: TimeZone,
    pub(super) repeating: bool,
}

impl CronRule {
    pub(super) fn parse(expression: &str) -> Result<Self, Error> {
        let never = || {
            Error::config(format!(
                "no instant matches the cron expression {expression:?}; write a date that exists"
            ))
        };
        let Expression { numbers, repeating } = Expression::parse(expression)?;
        let cron = Cron::from_str(&numbers).map_err(|error| {
            Error::config(format!(
                "the cron expression {expression:?} is refused: {error}"
            ))
        })?;
        let rule = Self {
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
        Ok(rule)
    }

    pub(super) fn next_after(&self, tick: Tick) -> Option<Tick> {
        self.next_instant(second_of(tick)?).and_then(tick_of)
    }

    pub(super) fn latest_at_or_before(&self, tick: Tick) -> Option<Tick> {
        self.latest_instant(second_of(tick)?).and_then(tick_of)
    }

    fn next_instant(&self, instant: Timestamp) -> Option<Timestamp> {
        if self.repeating {
            return self.next_repeating(instant);
        }
        let mut civil = self.zone.to_datetime(instant);
        loop {
            civil = self.civil(civil, false, Direction::Forward)?;
            // Not later only while the clock repeats an hour that was served the first time.
            if let Some(due) = self.fixed_instant(civil).filter(|due| *due > instant) {
                return Some(due);
            }
        }
    }

    /// Between two changes of the offset, civil time and real time run in parallel: search one
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

    fn latest_instant(&self, instant: Timestamp) -> Option<Timestamp> {
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

    /// Returns the instant of a civil time for a fixed expression: the first of two, and the end of
    /// the gap for a time that does not exist. It never decreases with the civil time.
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

    /// Returns the nearest matching civil time. It is searched in UTC, where each exists once: this
    /// file handles the changes of the clocks, not the parser, whose own rule takes `30 2,14 * * *`
    /// for a repeating expression and would run it twice in autumn and not at all in spring.
    fn civil(&self, from: DateTime, inclusive: bool, direction: Direction) -> Option<DateTime> {
        let from = from.to_zoned(TimeZone::UTC).ok()?;
        let found = match direction {
            Direction::Forward => self.cron.find_next_occurrence(&from, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(&from, inclusive),
        };
        found.ok().map(|found| found.datetime())
    }
}

/// Cron works in whole seconds: a tick is later than an instant if it is later than its second.
pub(super) fn second_of(instant: Tick) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(instant.as_millis() / 1000).ok()?).ok()
}

pub(super) fn tick_of(instant: Timestamp) -> Option<Tick> {
    u64::try_from(instant.as_millisecond())
        .ok()
        .map(Tick::from_millis)
}
