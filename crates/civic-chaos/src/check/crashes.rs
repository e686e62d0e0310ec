//! I13: work that ends the process that does it.

use super::lease::{Ended, Lease};
use super::limits::{JITTER, SLACK};
use super::span::Span;
use super::ticks::{Tick, ticks_of};
use super::verdict::Verdict;
use super::view::View;
use crate::fault::Class;
use crate::history::{MILLI, SECOND};

/// How long after a tick was given up its report may come.
const REPORTS: u64 = SECOND;

/// Checks that such a tick is begun as often as the job allows, and then given up by one report.
pub(super) fn crashes(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I13",
        "a tick whose holders die of it is begun a bounded number of times, then one dead letter",
    );
    for group in view.tick_groups() {
        for tick in ticks_of(view, group).values() {
            check(view, tick, &mut verdict);
        }
    }
    verdict
}

fn check(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    let attempt = |lease: &&Lease| lease.tick_attempt.map_or(0, |(_, attempt)| attempt);
    let Some(last) = tick
        .starts
        .iter()
        .copied()
        .max_by_key(|lease| attempt(lease))
    else {
        return;
    };
    // Each attempt has the next number, and one that was handed over does not count.
    let limit = tick.group.max_attempts + hand_overs(tick);
    if attempt(&last) < limit && tick.dead_letters.is_empty() {
        return;
    }
    verdict.checks += 1;
    let first = tick.starts.iter().map(|lease| lease.begin).min();
    let first = first.unwrap_or(last.begin);
    let letter = tick.dead_letters.iter().map(|&(_, at)| at).max();
    let latest = tick.starts.iter().map(|lease| lease.begin).max();
    let settled = latest.max(letter).unwrap_or(first);
    // An attempt that a failover has undone was not counted.
    let mut known = tick.starts.iter().map(|lease| lease.begin).chain(letter);
    if view.was_lost(tick.group.group, first, settled)
        || known.any(|at| view.was_undone(tick.group.group, at, at))
        || view.was_forgotten(tick.group.group, first, settled)
    {
        verdict.excused += 1;
        return;
    }
    let describe = format!("tick {} of {}", tick.tick, tick.group.name);
    let begun = tick.starts.iter().map(|lease| lease.record);
    if attempt(&last) > limit || tick.starts.len() > limit as usize {
        verdict.violated(
            format!(
                "{describe} was begun {} times, not {limit}",
                tick.starts.len()
            ),
            begun.clone(),
        );
    }
    let letters = tick.dead_letters.iter().map(|&(index, _)| index);
    if tick.dead_letters.len() > 1 {
        verdict.violated(format!("{describe} has two dead letters"), letters);
        return;
    }
    if let Some(&(letter, at)) = tick.dead_letters.first() {
        let enough = attempt(&last) >= limit;
        if !enough || tick.starts.iter().any(|lease| lease.begin > at) {
            verdict.violated(
                format!("{describe} was given up, but not after its last attempt"),
                begun.chain([letter]),
            );
        }
        return;
    }
    let Some(died) = died(view, last) else {
        // It was done after all, at the last attempt.
        return;
    };
    let group = tick.group.group;
    // A replica that comes to take the tick over finds it used up.
    let span = Span {
        from: died,
        to: died + tick.group.ttl_ms * MILLI + JITTER + SLACK,
    };
    let is_missed_first = view.due(tick.tick) + tick.group.grace_ms * MILLI <= span.to;
    let in_the_way = view
        .faults_on(group, span)
        .any(|fault| !matches!(fault.fault.class(), Class::Work | Class::Replica));
    let is_found = view
        .lives
        .values()
        .any(|life| life.group == group && life.is_well(span));
    let is_over = view.end.is_some_and(|end| span.to >= end);
    let is_stalled = view.stalls.iter().any(|stall| stall.meets(span));
    if is_found && !is_missed_first && !in_the_way && !is_over && !is_stalled {
        verdict.violated(format!("{describe} has no dead letter"), begun);
        return;
    }
    // It was given up if a later one was begun, as ticks run in their order.
    let later = view
        .leases_of(group)
        .filter(|lease| lease.tick_attempt.is_some_and(|(of, _)| of > tick.tick))
        .find(|lease| lease.begin > died);
    let given_up = later.map(|lease| lease.begin);
    let excuse = given_up.is_none_or(|at| {
        // The replica records it first, and reports it then.
        let until = at + REPORTS;
        let mut killed = view.lives.values().filter(|life| life.group == group);
        killed.any(|life| life.killed.is_some_and(|at| died < at && at < until))
            || view.was_lost(group, died, at)
            || view.was_undone(group, died, at)
            || view.was_forgotten(group, died, at)
    });
    if excuse || !tick.missed.is_empty() {
        verdict.excused += 1;
    } else {
        verdict.violated(
            format!("{describe} was given up without a dead letter"),
            begun,
        );
    }
}

/// Returns how often the tick was handed over at a shutdown, which counts as no attempt.
fn hand_overs(tick: &Tick<'_>) -> u32 {
    let handed_over = |lease: &&&Lease| lease.ended == Ended::HandedOver;
    tick.starts.iter().filter(handed_over).count() as u32
}

/// Returns the instant at which the holder was killed in the middle of its work.
fn died(view: &View<'_>, lease: &Lease) -> Option<u64> {
    let work = view.groups[lease.group].job_ms * MILLI;
    view.lives[&lease.life]
        .killed
        .filter(|&at| lease.ended == Ended::Silent && at < lease.begin + work)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, ticks};
    use super::*;
    use crate::fault::Fault;
    use crate::history::{Group, Signal, TickEvent, What};

    /// Two attempts at most.
    fn group() -> Group {
        Group {
            max_attempts: 2,
            ..ticks()
        }
    }

    /// Holders that are killed 100 ms after they begin, one after the other.
    fn killed(holders: u32) -> Story {
        killed_after(0, holders)
    }

    /// The same after so many hand-overs.
    fn killed_after(hand_overs: u32, holders: u32) -> Story {
        let mut story = Story::new(group());
        for nth in 1..=hand_overs {
            let (at, life) = (2000 + 100 * u64::from(nth), 20 + nth);
            story.start(life).signal(at + 20, life, Signal::Term);
            story.tick(at, life, TickEvent::Started, 1000, u64::from(nth), nth);
            story.tick(
                at + 30,
                life,
                TickEvent::HandedOver,
                1000,
                u64::from(nth),
                nth,
            );
        }
        for life in 1..=holders {
            let at = 3000 * u64::from(life);
            story.start(life);
            story.tick(
                at,
                life,
                TickEvent::Started,
                1000,
                10 + u64::from(life),
                hand_overs + life,
            );
            story.signal(at + 100, life, Signal::Kill);
        }
        story.start(9);
        story
    }

    fn verdict(story: &mut Story) -> Verdict {
        story.run(50_010, 9, 50_000, 99);
        let records = story.push(60_000, What::End).records();
        crashes(&View::new(&records))
    }

    #[test]
    fn two_attempts_and_one_dead_letter_are_right() {
        let mut story = killed(2);
        story.tick(8500, 9, TickEvent::DeadLetter, 1000, 13, 3);
        let verdict = verdict(&mut story);
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.checks, 1);
    }

    #[test]
    fn a_third_attempt_of_two_is_a_violation() {
        assert!(!verdict(&mut killed(3)).holds());
    }

    #[test]
    fn a_tick_that_is_given_up_in_silence_is_a_violation() {
        assert!(!verdict(&mut killed(2)).holds());
    }

    #[test]
    fn a_tick_that_is_reported_as_missed_instead_is_a_violation() {
        let mut story = killed(2);
        story.tick(21_100, 9, TickEvent::Missed, 1000, 0, 0);
        assert!(!verdict(&mut story).holds());
    }

    #[test]
    fn two_dead_letters_are_a_violation() {
        let mut story = killed(2);
        story.tick(8500, 9, TickEvent::DeadLetter, 1000, 13, 3);
        story.tick(8600, 9, TickEvent::DeadLetter, 1000, 13, 3);
        assert!(!verdict(&mut story).holds());
    }

    #[test]
    fn a_dead_letter_after_one_attempt_is_a_violation() {
        let mut story = killed(1);
        story.tick(8500, 9, TickEvent::DeadLetter, 1000, 13, 3);
        assert!(!verdict(&mut story).holds());
    }

    #[test]
    fn an_attempt_after_the_dead_letter_is_a_violation() {
        let mut story = killed(2);
        story.tick(5000, 9, TickEvent::DeadLetter, 1000, 13, 3);
        assert!(!verdict(&mut story).holds());
    }

    #[test]
    fn a_hand_over_is_no_attempt() {
        for hand_overs in 1..4 {
            let mut story = killed_after(hand_overs, 2);
            story.tick(8500, 9, TickEvent::DeadLetter, 1000, 13, 3);
            let verdict = verdict(&mut story);
            assert!(verdict.holds(), "{verdict:?}");
            assert_eq!(verdict.checks, 1);
        }
    }

    #[test]
    fn an_attempt_too_many_is_a_violation_after_hand_overs_too() {
        assert!(!verdict(&mut killed_after(2, 3)).holds());
    }

    #[test]
    fn a_hand_over_in_place_of_an_attempt_is_a_violation() {
        let mut story = killed_after(1, 1);
        story.tick(8500, 9, TickEvent::DeadLetter, 1000, 13, 3);
        assert!(!verdict(&mut story).holds());
    }

    #[test]
    fn a_watermark_that_was_deleted_excuses_and_counts() {
        let mut story = killed(3);
        story.fault(4000, 4001, Fault::ForgetTicks, None);
        let verdict = verdict(&mut story);
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.excused, 1);
    }
}
