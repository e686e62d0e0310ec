//! I1: one holder at a time, and a fence that tells which of two is stale if both believe to hold.

use std::collections::BTreeMap;

use super::lease::{Ended, Lease};
use super::verdict::Verdict;
use super::view::View;
use crate::history::Kind;

/// Checks that each acquisition has its own fence, and that fences grow in the order of
/// acquisitions.
pub(super) fn fences(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I1",
        "fences are unique and grow, whatever the server has lost",
    );
    for group in 0..view.groups.len() {
        // A crowd counts its answers only.
        if view.groups[group].kind == Kind::Crowd {
            continue;
        }
        let mut seen: BTreeMap<u64, &Lease> = BTreeMap::new();
        let mut last: Option<&Lease> = None;
        for lease in view.leases_of(group) {
            verdict.checks += 1;
            if let Some(other) = seen.insert(lease.fence, lease) {
                verdict.violated(
                    format!(
                        "one fence twice: {} and {}",
                        view.describe(other),
                        view.describe(lease)
                    ),
                    [other.record, lease.record],
                );
            }
            // One that was stopped between the grant and its first act may come late.
            if view.was_paused(lease, lease.begin) {
                verdict.excused += 1;
                continue;
            }
            if let Some(before) = last
                && before.fence >= lease.fence
                && !view.was_lost_under(before, lease, 0)
            {
                verdict.violated(
                    format!(
                        "a fence that does not grow: {} then {}",
                        view.describe(before),
                        view.describe(lease)
                    ),
                    [before.record, lease.record],
                );
            }
            last = Some(lease);
        }
        if last.is_none() {
            verdict.violated(
                format!(
                    "no replica ever had the lock of {}: nothing was checked",
                    view.groups[group].name
                ),
                [],
            );
        }
    }
    verdict
}

/// Checks that no two holders are at work at a time. If a stopped process is overtaken, or the data
/// is lost, the stale holder has the lower fence and learns that it is stale.
pub(super) fn exclusion(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I1",
        "no two holders at work at a time; one that was overtaken in a pause is told",
    );
    for group in 0..view.groups.len() {
        // The holders that may still be at work when the next one begins.
        let mut open: Vec<&Lease> = Vec::new();
        for lease in view.leases_of(group) {
            open.retain(|other| view.at_work_until(other) > lease.begin);
            verdict.checks += 1;
            for other in &open {
                overlap(view, other, lease, &mut verdict);
            }
            open.push(lease);
        }
    }
    verdict
}

fn overlap(view: &View<'_>, first: &Lease, second: &Lease, verdict: &mut Verdict) {
    let (stale, fresh) = if first.fence < second.fence {
        (first, second)
    } else {
        (second, first)
    };
    let until = view.at_work_until(first).min(view.at_work_until(second));
    let records = [
        Some(stale.record),
        Some(fresh.record),
        stale.end.map(|(index, _)| index),
    ];
    let lost = view.was_lost_under(stale, fresh, until);
    let paused = view.was_paused(stale, view.at_work_until(stale));
    if !lost && !paused {
        verdict.violated(
            format!(
                "two at work at {:.3} s: {} and {}",
                view.since_start(second.begin),
                view.describe(stale),
                view.describe(fresh)
            ),
            records.into_iter().flatten(),
        );
        return;
    }
    verdict.excused += 1;
    // The work that it finished before it was overtaken was its own; but it was still at work.
    let alive = view.lives[&stale.life].killed.is_none() && stale.end.is_some();
    let knows = match view.groups[stale.group].kind {
        Kind::Candidate | Kind::Hammer => stale.told.is_some(),
        _ => stale.ended != Ended::Done,
    };
    if alive && !knows && !lost {
        verdict.violated(
            format!(
                "overtaken by {} and never told: {}",
                view.describe(fresh),
                view.describe(stale)
            ),
            records.into_iter().flatten(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, hammer, ticks};
    use super::*;
    use crate::history::{Backend, Group, Signal, TickEvent};

    fn both(story: &Story) -> (Verdict, Verdict) {
        let records = story.records();
        let view = View::new(&records);
        (fences(&view), exclusion(&view))
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).leave(200, 1, 10);
        story.enter(201, 2, 11).leave(300, 2, 11);
        let (fences, exclusion) = both(&story);
        assert!(fences.holds(), "{fences:?}");
        assert!(exclusion.holds(), "{exclusion:?}");
        assert_eq!(exclusion.checks, 2);
    }

    #[test]
    fn two_at_a_time_is_a_violation() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).leave(200, 1, 10);
        story.enter(199, 2, 11).leave(300, 2, 11);
        assert!(!both(&story).1.holds());
    }

    #[test]
    fn a_killed_holder_was_at_work_until_it_was_killed() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).signal(150, 1, Signal::Kill);
        story.enter(151, 2, 11).leave(300, 2, 11);
        assert!(both(&story).1.holds());
        story.enter(400, 2, 12).leave(500, 2, 12);
        story
            .start(3)
            .enter(450, 3, 13)
            .signal(460, 3, Signal::Kill);
        assert!(!both(&story).1.holds());
    }

    #[test]
    fn a_stopped_holder_may_be_overtaken_but_has_to_be_told() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).signal(150, 1, Signal::Stop);
        story.enter(3000, 2, 11).leave(6000, 2, 11);
        story.signal(4000, 1, Signal::Cont);
        story.leave(4010, 1, 10);
        assert!(!both(&story).1.holds(), "it was not told");
        story.told(4011, 1, 10);
        let verdict = both(&story).1;
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.excused, 1);
    }

    #[test]
    fn a_stopped_holder_does_not_excuse_one_with_a_higher_fence() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        // Life 1 was stopped but has the higher fence: life 2 is the stale one, and was not
        // stopped.
        story.enter(100, 2, 9).leave(6000, 2, 9);
        story.enter(200, 1, 10).signal(250, 1, Signal::Stop);
        story.signal(4000, 1, Signal::Cont);
        story.leave(4010, 1, 10).told(4011, 1, 10);
        assert!(!both(&story).1.holds());
    }

    #[test]
    fn a_lost_data_set_excuses_two_holders_but_not_one_fence() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).loss(150, 160).leave(400, 1, 10);
        story.enter(200, 2, 11).leave(300, 2, 11);
        let (fences, exclusion) = both(&story);
        assert!(exclusion.holds(), "{exclusion:?}");
        assert!(fences.holds(), "{fences:?}");
        story.enter(500, 1, 11).leave(600, 1, 11);
        assert!(!both(&story).0.holds());
    }

    #[test]
    fn a_data_set_that_is_lost_before_the_answer_arrives_excuses_too() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        // Granted before the loss, with a lower fence; the answer was under way.
        story.loss(5000, 5400).enter(5700, 2, 11).enter(5800, 1, 10);
        story.leave(5900, 2, 11).leave(6000, 1, 10);
        let (fences, exclusion) = both(&story);
        assert!(exclusion.holds(), "{exclusion:?}");
        assert!(fences.holds(), "{fences:?}");
    }

    #[test]
    fn a_failover_excuses_two_holders_of_its_time_and_no_others() {
        // The server is stopped at 10 s. It goes on from 15 s to 16 s, when another one has taken
        // its place.
        for (first, second, holds) in [
            // The first one was granted, or renewed last, when the replica was behind.
            (9900, 10_500, true),
            (8000, 10_500, true),
            // By the old server, which went on for a moment.
            (15_900, 16_100, true),
            (6000, 6100, false),
            (12_100, 12_200, false),
            (19_000, 19_100, false),
        ] {
            let mut story = Story::new(Group {
                backend: Backend::Sentinel,
                ..hammer()
            });
            story.start(1).start(2).failover(10_000, 15_000, 16_000);
            story
                .enter(first, 1, 10)
                .leave(first + 2600, 1, 10)
                .told(first + 2600, 1, 10);
            story.enter(second, 2, 11).leave(second + 60, 2, 11);
            let verdict = both(&story).1;
            assert_eq!(verdict.holds(), holds, "{first} {second}: {verdict:?}");
            assert_eq!(verdict.excused, u64::from(holds), "{first} {second}");
        }
    }

    #[test]
    fn a_failover_excuses_no_fence_that_shrinks() {
        let mut story = Story::new(Group {
            backend: Backend::Sentinel,
            ..hammer()
        });
        story.start(1).start(2).failover(10_000, 15_000, 16_000);
        story.enter(5000, 1, 10).leave(5100, 1, 10);
        story.enter(18_500, 2, 9).leave(18_600, 2, 9);
        assert!(!both(&story).0.holds());
    }

    #[test]
    fn a_fence_that_shrinks_is_a_violation() {
        let mut story = Story::new(hammer());
        story.start(1).start(2);
        story.enter(100, 1, 10).leave(200, 1, 10);
        story.enter(300, 2, 9).leave(400, 2, 9);
        assert!(!both(&story).0.holds());
    }

    #[test]
    fn a_history_in_which_nobody_had_the_lock_proves_nothing() {
        let mut story = Story::new(hammer());
        story.start(1);
        assert!(!both(&story).0.holds());
    }

    #[test]
    fn a_tick_that_was_overtaken_cannot_be_recorded_as_run() {
        let overtaken = |ended| {
            let mut story = Story::new(ticks());
            story.start(1).start(2);
            story.tick(100, 1, TickEvent::Started, 1000, 10, 1);
            story.signal(110, 1, Signal::Stop);
            story.tick(150, 2, TickEvent::Started, 1000, 11, 2);
            story.tick(450, 2, TickEvent::TookOver, 1000, 11, 2);
            story.signal(500, 1, Signal::Cont);
            story.tick(700, 1, ended, 1000, 10, 1);
            both(&story).1
        };
        assert!(overtaken(TickEvent::Lost).holds());
        assert!(!overtaken(TickEvent::Ran).holds());
    }
}
