//! Instants of another schedule of the job that were passed over.
//!
//! While a deployment rolls, replicas with the old and with the new schedule share a watermark. A
//! claim by the one may move it over instants of the other. That is a tick missed if a replica with
//! that schedule was there for it, and nothing at all if the schedule has been retired.

use crate::scheduler::event::Event;
use crate::scheduler::schedule::Schedule;
use crate::scheduler::tick::Tick;

/// The gaps between the watermark and a claim, in which instants of another schedule may lie.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// Both ends are excluded.
    gaps: Vec<(Tick, Tick)>,
}

impl PassedOver {
    /// Adds the instants after `from` and before `to`.
    pub(super) fn add(&mut self, from: Tick, to: Tick) {
        if from < to {
            self.gaps.push((from, to));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Takes the instants up to `last`. Returns one event per gap that has any.
    pub(super) fn until(&mut self, last: Tick, fingerprint: &str) -> Vec<Event> {
        if self.gaps.iter().all(|(from, _)| *from >= last) {
            return Vec::new();
        }
        // A later release may write one that this one cannot read.
        let Ok(schedule) = Schedule::from_text(fingerprint) else {
            self.gaps.clear();
            return Vec::new();
        };
        let mut missed = Vec::new();
        self.gaps.retain_mut(|(from, to)| {
            let before = Tick::from_millis(to.as_millis() - 1);
            // More than these are not worth the time: the range says where they are.
            let mut ticks = schedule.between(*from, before.min(last)).take(10_000);
            if let Some(first) = ticks.next() {
                let (until, count) = ticks.fold((first, 1), |(_, count), tick| (tick, count + 1));
                missed.push(Event::Missed {
                    tick: first,
                    until,
                    count,
                });
            }
            *from = (*from).max(last);
            *from < before
        });
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    fn missed(events: Vec<Event>) -> Vec<(u64, u64, u64)> {
        let range = |event| match event {
            Event::Missed { tick, until, count } => (tick.as_millis(), until.as_millis(), count),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(range).collect()
    }

    #[test]
    fn an_instant_is_missed_if_its_schedule_was_seen_after_it_and_forgotten_otherwise() {
        let mut passed = PassedOver::default();
        passed.add(at(1000), at(5000));
        passed.add(at(5000), at(5000));
        passed.add(at(6000), at(8000));
        // Not seen since: it may have been retired.
        assert_eq!(missed(passed.until(at(1000), "@every 1000ms")), []);
        assert_eq!(
            missed(passed.until(at(3500), "@every 1000ms")),
            [(2000, 3000, 2)]
        );
        assert_eq!(missed(passed.until(at(3500), "@every 1000ms")), []);
        // The ticks that were claimed are not among them.
        assert_eq!(
            missed(passed.until(at(9000), "@every 1000ms")),
            [(4000, 4000, 1), (7000, 7000, 1)]
        );
        assert!(passed.is_empty());
    }

    #[test]
    fn a_schedule_that_cannot_be_read_has_no_instants() {
        let mut passed = PassedOver::default();
        passed.add(at(1000), at(5000));
        assert_eq!(missed(passed.until(at(9000), "@whenever")), []);
        assert!(passed.is_empty());
    }
}
