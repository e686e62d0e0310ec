//! The schedules that a job was seen with.
//!
//! A replica claims ticks of its own schedule only, and only those after the first sight of that
//! schedule, so that a schedule that is deployed today has no ticks yesterday. The watermark is
//! common to all schedules, and no schedule moves it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many schedules of a job are kept.
pub(crate) const SCHEDULES_KEPT: usize = 4;

/// What tells one schedule from another: its expression and its time zone, in one line.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(Box<str>);

/// A schedule, and when it was seen, in milliseconds by the store's clock.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Sighting {
    pub(crate) fingerprint: Fingerprint,
    /// Ticks after this one may be claimed.
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What a sight of a schedule has come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sighted {
    /// The first sight of the schedule.
    pub(crate) first: u64,
    /// All schedules that are kept, this one included.
    pub(crate) kept: Vec<Sighting>,
    /// Schedules that this sight has dropped. Each is reported to one caller only.
    pub(crate) dropped: Vec<Sighting>,
}

// ===== impl Fingerprint =====

impl Fingerprint {
    /// Creates a fingerprint from a text. What would end its line becomes a space.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref().replace(char::is_control, " ");
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// ===== impl Sighting =====

impl Sighting {
    /// Reads the lines of the Redis hash, see `sightings.lua`. A line of another form is left out.
    pub(crate) fn read_lines(text: &str) -> Vec<Self> {
        let read = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            Some(Self {
                first: parts.next()?.parse().ok()?,
                last: parts.next()?.parse().ok()?,
                fingerprint: Fingerprint::new(parts.next()?),
            })
        };
        text.lines().filter_map(read).collect()
    }
}

/// Notes that a schedule was seen at `now`.
///
/// Schedules that were silent for longer than `silence` are dropped, but only because another one
/// is seen: silence alone drops none, so that an unchanged schedule goes on from the watermark
/// after an outage of any length. A watermark without any schedule is that of the first version,
/// which knew none: the ticks of the first schedule are due from the watermark on.
pub(crate) fn see(
    list: &[Sighting],
    done: u64,
    fingerprint: &Fingerprint,
    silence: u64,
    now: u64,
) -> Sighted {
    let is_silent = |seen: &Sighting| {
        seen.fingerprint != *fingerprint && now.saturating_sub(seen.last) > silence
    };
    let (mut dropped, mut kept): (Vec<_>, Vec<_>) = list.iter().cloned().partition(is_silent);
    if let Some(own) = kept
        .iter_mut()
        .find(|seen| seen.fingerprint == *fingerprint)
    {
        own.last = own.last.max(now);
        let first = own.first;
        return Sighted {
            first,
            kept,
            dropped,
        };
    }
    while kept.len() >= SCHEDULES_KEPT {
        let lasts = kept
            .iter()
            .enumerate()
            .map(|(index, seen)| (seen.last, index));
        let Some((_, oldest)) = lasts.min() else {
            break;
        };
        dropped.push(kept.remove(oldest));
    }
    let first = if list.is_empty() { done } else { now };
    kept.push(Sighting {
        fingerprint: fingerprint.clone(),
        first,
        last: now,
    });
    Sighted {
        first,
        kept,
        dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, first: u64, last: u64) -> Sighting {
        Sighting {
            fingerprint: Fingerprint::new(name),
            first,
            last,
        }
    }

    #[test]
    fn an_unchanged_schedule_goes_on_after_an_outage_of_any_length() {
        let list = [seen("a", 5, 10)];
        let sighted = see(&list, 9, &Fingerprint::new("a"), 100, 1_000_000);
        assert_eq!(sighted.first, 5);
        assert_eq!(sighted.kept, [seen("a", 5, 1_000_000)]);
        assert_eq!(sighted.dropped, []);
    }

    #[test]
    fn a_silent_schedule_is_dropped_when_another_one_is_seen() {
        let list = [seen("a", 5, 10), seen("b", 20, 100)];
        let sighted = see(&list, 9, &Fingerprint::new("b"), 100, 110);
        assert_eq!(sighted.dropped, [], "silent for no longer than allowed");
        let sighted = see(&list, 9, &Fingerprint::new("b"), 100, 111);
        assert_eq!(sighted.dropped, [seen("a", 5, 10)]);
        assert_eq!(sighted.kept, [seen("b", 20, 111)]);
    }

    #[test]
    fn a_new_schedule_begins_at_its_first_sight_and_the_first_one_at_the_watermark() {
        let first = see(&[], 9, &Fingerprint::new("a"), 100, 50);
        assert_eq!((first.first, &first.kept[..]), (9, &[seen("a", 9, 50)][..]));
        let next = see(&first.kept, 9, &Fingerprint::new("b"), 100, 60);
        assert_eq!(next.first, 60);
        assert_eq!(next.kept.len(), 2);
    }

    #[test]
    fn of_five_schedules_the_one_that_was_silent_for_longest_is_dropped() {
        let list = [
            seen("a", 1, 7),
            seen("b", 2, 5),
            seen("c", 3, 5),
            seen("d", 4, 8),
        ];
        let sighted = see(&list, 0, &Fingerprint::new("e"), 100, 9);
        assert_eq!(sighted.dropped, [seen("b", 2, 5)]);
        assert_eq!(sighted.kept.len(), SCHEDULES_KEPT);
    }

    #[test]
    fn a_fingerprint_is_one_line() {
        assert_eq!(Fingerprint::new("0 2 * * *\nUTC").as_str(), "0 2 * * * UTC");
        assert_eq!(
            Sighting::read_lines("1 2 0 2 * * * UTC\nnonsense\n3 4 @every 1s"),
            [seen("0 2 * * * UTC", 1, 2), seen("@every 1s", 3, 4)]
        );
    }
}
