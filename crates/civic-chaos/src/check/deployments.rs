//! I16: a job whose schedule changes from deployment to deployment.

use std::collections::BTreeMap;

use super::lease::Ended;
use super::limits::SLACK;
use super::span::Span;
use super::ticks::ticks_of;
use super::verdict::Verdict;
use super::view::View;
use crate::fault::Class;
use crate::history::{Group, Kind, MILLI, SECOND, TickEvent, What};

/// Ticks are whole milliseconds.
const ROUNDING: u64 = 20 * MILLI;
/// How long before it is due a replica whose clock is ahead may claim a tick.
const SKEW: u64 = 2 * SECOND;
/// How long a replica that has just been started needs before the store has seen its schedule.
const READY: u64 = 3 * SECOND;
/// A replica looks at the schedules of its job as often as it polls.
const LOOKS: u64 = 5 * SECOND;

/// A schedule, and from when until when replicas with it ran.
#[derive(Clone, Copy, Debug)]
struct Deployed {
    interval_ms: u64,
    from: u64,
    to: u64,
}

pub(super) fn deployments(view: &View<'_>) -> Vec<Verdict> {
    let mut early = Verdict::new(
        "I16",
        "nothing is run or reported for an instant before its schedule was deployed",
    );
    let mut lost = Verdict::new(
        "I16",
        "every instant of a schedule is run or reported, while it is deployed",
    );
    let mut said = Verdict::new(
        "I16",
        "a replica that meets another schedule of its job says so, once per schedule",
    );
    for group in view.groups.iter().copied() {
        if group.kind != Kind::Deployed {
            continue;
        }
        let deployed = deployed(view, group);
        no_instant_before(view, group, &deployed, &mut early);
        none_is_lost(view, group, &deployed, &mut lost);
        others_are_named(view, group, &mut said);
    }
    vec![early, lost, said]
}

fn deployed(view: &View<'_>, group: &Group) -> BTreeMap<u32, Deployed> {
    let mut all: BTreeMap<u32, Deployed> = BTreeMap::new();
    for life in view.lives.values().filter(|life| life.group == group.group) {
        let deployed = all.entry(life.deployment).or_insert(Deployed {
            interval_ms: life.interval_ms,
            from: life.started,
            to: 0,
        });
        deployed.from = deployed.from.min(life.started);
        deployed.to = deployed.to.max(life.gone());
    }
    all
}

fn no_instant_before(
    view: &View<'_>,
    group: &Group,
    deployed: &BTreeMap<u32, Deployed>,
    verdict: &mut Verdict,
) {
    for (index, record) in view.records.iter().enumerate() {
        let What::Tick {
            life,
            event: event @ (TickEvent::Started | TickEvent::Missed),
            tick,
            attempt,
            ..
        } = record.what
        else {
            continue;
        };
        let replica = &view.lives[&life];
        if replica.group != group.group {
            continue;
        }
        verdict.checks += 1;
        let due = view.due(tick);
        let is_first = event == TickEvent::Started && attempt == 1;
        // A schedule that has been retired has no instants, neither to run nor to report.
        let is_of_any = deployed.values().any(|of| {
            let is_there = due <= of.to.saturating_add(SKEW);
            tick.is_multiple_of(of.interval_ms) && of.from <= due + ROUNDING && is_there
        });
        if !is_of_any || (is_first && !tick.is_multiple_of(replica.interval_ms)) {
            verdict.violated(
                format!(
                    "{event:?} {tick} by {}, which is due every {} s, deployed {:.3} s after it",
                    replica.replica,
                    replica.interval_ms / 1000,
                    view.since_start(replica.started) - view.since_start(due)
                ),
                [index],
            );
        }
    }
}

fn none_is_lost(
    view: &View<'_>,
    group: &Group,
    deployed: &BTreeMap<u32, Deployed>,
    verdict: &mut Verdict,
) {
    let ticks = ticks_of(view, group);
    let end = view.end.unwrap_or_default();
    let late = (group.ttl_ms + group.poll_cap_ms) * MILLI + SLACK;
    for (number, of) in deployed {
        let from = (of.from + READY + view.wall_offset) / MILLI;
        let until = of.to.min(end.saturating_sub(late));
        let mut tick = from.next_multiple_of(of.interval_ms);
        while view.due(tick) + SECOND <= until {
            verdict.checks += 1;
            let due = view.due(tick);
            let settled = ticks.get(&tick).is_some_and(|tick| {
                let done = |ended| matches!(ended, Ended::Done | Ended::ConfirmedLate);
                !tick.missed.is_empty()
                    || tick.starts.iter().any(|lease| done(lease.ended))
                    // It was handed over, and may be given up by the other schedule.
                    || tick.starts.iter().any(|lease| lease.ended == Ended::Unconfirmed)
            });
            let span = Span {
                from: due.saturating_sub(READY),
                to: due + late,
            };
            let hindered = view
                .faults_on(group.group, span)
                .any(|fault| fault.fault.class() == Class::Server)
                && of.to < due + group.grace_ms * MILLI;
            // With the sight of a new schedule the store has forgotten since when it is deployed.
            let unseen = view.was_undone(group.group, of.from, of.from + READY)
                && view
                    .faults_on(
                        group.group,
                        Span {
                            from: of.from,
                            to: due,
                        },
                    )
                    .filter(|fault| fault.fault.class() == Class::Server)
                    .any(|fault| due <= fault.span.to.saturating_add(LOOKS));
            let taken_along = was_taken_along(view, group, *number, tick, late);
            if settled {
            } else if hindered
                || unseen
                || taken_along
                || view.was_lost(group.group, span.from, due + group.grace_ms * MILLI)
                || view.stalls.iter().any(|stall| stall.meets(span))
            {
                verdict.excused += 1;
            } else {
                verdict.violated(
                    format!(
                        "tick {tick} of {}, due every {} s, was neither run nor reported",
                        group.name,
                        of.interval_ms / 1000
                    ),
                    ticks
                        .get(&tick)
                        .into_iter()
                        .flat_map(|tick| tick.starts.iter().map(|lease| lease.record)),
                );
            }
            tick += of.interval_ms;
        }
    }
}

/// Returns whether a replica of another schedule has passed over this instant, and was gone before
/// a replica of the instant's own schedule had come for it. It alone knew of it then.
fn was_taken_along(view: &View<'_>, group: &Group, number: u32, tick: u64, late: u64) -> bool {
    let due = view.due(tick);
    let leaves = (due.saturating_sub(2 * SKEW))..=(due + late);
    view.records.iter().any(|record| {
        let What::Tick {
            life,
            event: TickEvent::Started | TickEvent::Missed,
            tick: later,
            ..
        } = record.what
        else {
            return false;
        };
        let replica = &view.lives[&life];
        later > tick
            && replica.group == group.group
            && replica.deployment != number
            && leaves.contains(&replica.gone())
    })
}

fn others_are_named(view: &View<'_>, group: &Group, verdict: &mut Verdict) {
    let deployments = deployed(view, group).len();
    let lives = || view.lives.values().filter(|life| life.group == group.group);
    for life in lives() {
        let meets = |other: &super::life::Life<'_>| {
            let from = life.started.max(other.started) + READY;
            let to = life.gone().min(other.gone());
            (other.deployment != life.deployment && from + LOOKS + SLACK <= to)
                .then_some(Span { from, to })
        };
        let Some(span) = lives().find_map(meets) else {
            continue;
        };
        verdict.checks += 1;
        let outages = view
            .faults_on(group.group, span)
            .filter(|fault| fault.fault.class() == Class::Server)
            .map(|fault| fault.span);
        let stalls = view.stalls.iter().filter(|stall| stall.meets(span));
        let in_the_way = outages
            .chain(stalls.copied())
            .map(|of| of.to.min(span.to) - of.from.max(span.from));
        // A run that was cut off has spans without an end.
        let in_the_way = in_the_way.fold(LOOKS, |sum, of| {
            sum.saturating_add(of).saturating_add(SECOND)
        });
        let hindered = in_the_way > span.to - span.from;
        // What it has logged is read when it is gone.
        let is_read = life.exit.is_some() && life.killed.is_none();
        if !is_read || (hindered && life.other_schedules == 0) {
            verdict.excused += 1;
        } else if life.other_schedules == 0 || life.other_schedules >= deployments as u64 {
            verdict.violated(
                format!(
                    "{} said {} times that its job also has another schedule",
                    life.replica, life.other_schedules
                ),
                [],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, ticks};
    use super::*;
    use crate::history::Signal;

    const EARLY: usize = 0;
    const LOST: usize = 1;
    const SAID: usize = 2;

    /// A job that is due every 4 s, and from 20 s on every 3 s; both run from 20 s to 34 s.
    fn story() -> Story {
        let mut story = Story::new(Group {
            kind: Kind::Deployed,
            ..ticks()
        });
        story.deployed(1, 1, 0, 4).deployed(20_000, 2, 1, 3);
        story.signal(34_000, 1, Signal::Term).exit(34_010, 1, false);
        story.exit(59_000, 2, false);
        story
    }

    /// Each tick of both, run by a replica of its own schedule.
    fn good() -> Story {
        let mut story = story();
        let mut fence = 10;
        for tick in 4..44 {
            let life = match tick {
                _ if tick > 20 && tick % 3 == 0 => 2,
                _ if tick <= 33 && tick % 4 == 0 => 1,
                _ => continue,
            };
            fence += 1;
            story.run(1000 * tick + 10, life, 1000 * tick, fence);
        }
        story
    }

    fn verdict(mut story: Story, said: u64, which: usize) -> Verdict {
        for life in [1, 2] {
            story.push(
                60_000,
                What::Logged {
                    life,
                    other_schedules: said,
                    unsafe_servers: 0,
                },
            );
        }
        let records = story.push(55_000, What::End).records();
        deployments(&View::new(&records)).remove(which)
    }

    #[test]
    fn two_schedules_that_are_told_apart_are_right() {
        let end = |story: &mut Story| {
            story.signal(44_000, 2, Signal::Term);
        };
        for which in [EARLY, LOST, SAID] {
            let mut story = good();
            end(&mut story);
            let verdict = verdict(story, 1, which);
            assert!(verdict.holds(), "{verdict:?}");
            assert!(verdict.checks > 0);
        }
    }

    #[test]
    fn an_instant_before_the_deployment_is_a_violation() {
        for event in [TickEvent::Started, TickEvent::Missed] {
            let mut story = good();
            story.tick(20_500, 2, event, 18_000, 12, 1);
            assert!(!verdict(story, 1, EARLY).holds(), "{event:?}");
        }
    }

    #[test]
    fn an_instant_of_another_schedule_that_is_begun_is_a_violation_and_one_that_is_taken_over_is_not()
     {
        for (attempt, holds) in [(1, false), (2, true)] {
            let mut story = good();
            story.tick(29_000, 2, TickEvent::Started, 28_000, 30, attempt);
            assert_eq!(verdict(story, 1, EARLY).holds(), holds);
        }
    }

    #[test]
    fn an_instant_that_is_passed_over_in_silence_is_a_violation() {
        let mut story = story();
        story.run(32_010, 1, 32_000, 17).run(33_010, 2, 33_000, 18);
        assert!(!verdict(story, 1, LOST).holds());
    }

    #[test]
    fn an_instant_is_taken_along_only_by_a_replica_that_has_passed_over_it() {
        // The tick of 33 s is left out while a replica of the other schedule leaves.
        for (passes_over, holds) in [(true, true), (false, false)] {
            let mut story = story();
            let mut fence = 10;
            for tick in 4..58 {
                let life = match tick {
                    33 => continue,
                    _ if tick > 20 && tick % 3 == 0 => 2,
                    _ if tick <= 32 && tick % 4 == 0 => 1,
                    _ => continue,
                };
                fence += 1;
                story.run(1000 * tick + 10, life, 1000 * tick, fence);
            }
            if passes_over {
                story.tick(33_900, 1, TickEvent::Started, 36_000, 50, 1);
            }
            let verdict = verdict(story, 1, LOST);
            assert_eq!(verdict.holds(), holds, "{verdict:?}");
        }
    }

    #[test]
    fn silence_about_another_schedule_is_a_violation_and_so_is_a_flood() {
        assert!(!verdict(good(), 0, SAID).holds());
        assert!(!verdict(good(), 7, SAID).holds());
    }
}
