//! I14: a server whose wall clock is set wrong, and right again.

use super::injected::Injected;
use super::limits::SLACK;
use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::fault::Class;
use crate::history::{MILLI, SECOND, TickEvent, What};

/// An answer of the server may be under way while its clock is set.
const UNDER_WAY: u64 = SECOND;

/// Checks that replicas say that a clock is wrong for as long as it is, decide nothing by it, and
/// go on within one interval of its correction.
pub(super) fn clock(view: &View<'_>) -> Vec<Verdict> {
    let mut said = Verdict::new(
        "I14",
        "every replica says so while the server's clock is wrong",
    );
    let mut decided = Verdict::new(
        "I14",
        "nothing is run, and nothing is given up, by a clock that is wrong",
    );
    let mut goes_on = Verdict::new(
        "I14",
        "ticks go on within one interval, or the poll cap, after the clock was corrected",
    );
    for fault in &view.faults {
        if fault.fault.class() != Class::Clock {
            continue;
        }
        says_so(view, fault, &mut said);
        decides_nothing(view, fault, &mut decided);
        resumes(view, fault, &mut goes_on);
    }
    vec![said, decided, goes_on]
}

/// The events of the group that are about a tick, or say that a clock is wrong.
fn events<'v>(
    view: &'v View<'_>,
    fault: &Injected,
) -> impl Iterator<Item = (usize, u64, u32, TickEvent)> + 'v {
    let group = fault.group;
    view.records
        .iter()
        .enumerate()
        .filter_map(move |(index, record)| match record.what {
            What::Tick { life, event, .. } if Some(view.lives[&life].group) == group => {
                Some((index, record.at, life, event))
            }
            _ => None,
        })
}

fn says_so(view: &View<'_>, fault: &Injected, verdict: &mut Verdict) {
    let Some(group) = fault.group.map(|group| view.groups[group]) else {
        return;
    };
    let within = (group.poll_cap_ms + group.interval_ms) * MILLI + SLACK;
    let span = Span {
        from: fault.span.from,
        to: fault.span.from + within,
    };
    let wrong_for_less = fault.span.to < span.to;
    for (&life, replica) in &view.lives {
        if replica.group != group.group || !replica.is_well(span) {
            continue;
        }
        verdict.checks += 1;
        if wrong_for_less || view.stalls.iter().any(|stall| stall.meets(span)) {
            verdict.excused += 1;
            continue;
        }
        let heard = events(view, fault).any(|(_, at, of, event)| {
            of == life && event == TickEvent::ClockSuspect && span.from <= at && at <= span.to
        });
        if !heard {
            verdict.violated(
                format!(
                    "{} does not say that the clock is wrong, {} s long",
                    replica.replica,
                    within / SECOND
                ),
                [],
            );
        }
    }
}

fn decides_nothing(view: &View<'_>, fault: &Injected, verdict: &mut Verdict) {
    verdict.checks += 1;
    for (index, at, life, event) in events(view, fault) {
        let wrong = fault.span.from + UNDER_WAY <= at && at <= fault.span.to;
        if wrong && matches!(event, TickEvent::Started | TickEvent::Missed) {
            verdict.violated(
                format!(
                    "{} acts {} ms after the clock was set wrong",
                    view.lives[&life].replica,
                    (at - fault.span.from) / MILLI
                ),
                [index],
            );
        }
    }
}

fn resumes(view: &View<'_>, fault: &Injected, verdict: &mut Verdict) {
    let Some(group) = fault.group.map(|group| view.groups[group]) else {
        return;
    };
    // A replica that waits for the clock looks at it as often as it polls.
    let within = group.interval_ms.max(group.poll_cap_ms) * MILLI + SLACK;
    let limit = fault.span.to.saturating_add(within);
    let span = Span {
        from: fault.span.to,
        to: limit,
    };
    verdict.checks += 1;
    let over = view.end.is_none_or(|end| limit >= end);
    if over || view.stalls.iter().any(|stall| stall.meets(span)) {
        verdict.excused += 1;
        return;
    }
    let next = events(view, fault)
        .filter(|&(_, at, _, event)| event == TickEvent::Started && at >= fault.span.to)
        .map(|(index, at, ..)| (index, at))
        .next();
    match next {
        Some((_, at)) if at <= limit => {}
        late => verdict.violated(
            match late {
                Some((_, at)) => format!(
                    "no tick of {} until {} ms after the clock was corrected",
                    group.name,
                    (at - fault.span.to) / MILLI
                ),
                None => format!("no tick of {} after the clock was corrected", group.name),
            },
            late.map(|(index, _)| index),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, ticks};
    use super::*;
    use crate::fault::Fault;

    const SAID: usize = 0;
    const DECIDED: usize = 1;
    const GOES_ON: usize = 2;

    /// One replica; the clock is wrong from 10 s to 30 s.
    fn wrong(fault: Fault) -> Story {
        let mut story = Story::new(ticks());
        story.start(1).run(9010, 1, 9000, 10);
        story.fault(10_000, 30_000, fault, None);
        story.push(60_000, What::End);
        story
    }

    fn good(fault: Fault) -> Story {
        let mut story = wrong(fault);
        story.tick(10_500, 1, TickEvent::ClockSuspect, 0, 0, 0);
        story.run(31_010, 1, 31_000, 11);
        story
    }

    fn holds(story: &Story, which: usize) -> bool {
        let records = story.records();
        let verdicts = clock(&View::new(&records));
        assert!(verdicts[which].checks > 0);
        verdicts[which].holds()
    }

    #[test]
    fn a_replica_that_says_so_and_waits_and_goes_on_is_right() {
        for fault in [Fault::StepForward, Fault::StepBack] {
            for which in [SAID, DECIDED, GOES_ON] {
                assert!(holds(&good(fault), which), "{fault:?} {which}");
            }
        }
    }

    #[test]
    fn silence_about_a_wrong_clock_is_a_violation() {
        let mut story = wrong(Fault::StepForward);
        assert!(!holds(&story, SAID));
        // Too late, by more than any poll.
        story.tick(25_000, 1, TickEvent::ClockSuspect, 0, 0, 0);
        assert!(!holds(&story, SAID));
    }

    #[test]
    fn a_tick_that_is_run_or_given_up_by_a_wrong_clock_is_a_violation() {
        for event in [TickEvent::Started, TickEvent::Missed] {
            let mut story = good(Fault::StepForward);
            story.tick(12_000, 1, event, 12_000, 12, 1);
            assert!(!holds(&story, DECIDED), "{event:?}");
        }
    }

    #[test]
    fn an_answer_that_was_under_way_is_no_decision_by_a_wrong_clock() {
        let mut story = good(Fault::StepForward);
        story.tick(10_100, 1, TickEvent::Started, 10_000, 12, 1);
        assert!(holds(&story, DECIDED));
    }

    #[test]
    fn a_job_that_stands_still_after_the_correction_is_a_violation() {
        assert!(!holds(&wrong(Fault::StepForward), GOES_ON), "never again");
        let mut story = wrong(Fault::StepForward);
        story.run(40_010, 1, 40_000, 11);
        assert!(!holds(&story, GOES_ON), "ten seconds later");
    }
}
