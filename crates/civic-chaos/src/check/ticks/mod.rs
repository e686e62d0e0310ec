//! I6: the outcome of each scheduled tick.

mod lost;
mod tick;

use self::lost::lost;
use self::tick::SKEW;
pub(super) use self::tick::{Tick, ticks_of};
use super::lease::{Ended, Lease};
use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::history::{Group, Kind, MILLI, SECOND};

/// How long the effects of a fault last: connections, backlog.
const AFTERMATH: u64 = 3 * SECOND;

/// With a shorter grace a tick can be missed without a fault.
const SHORT_GRACE: u64 = 10 * SECOND;
pub(super) fn check(view: &View<'_>) -> Vec<Verdict> {
    let mut all = Verdicts {
        lost: Verdict::new(
            "I6",
            "at-least-once: each tick is run, or reported as missed",
        ),
        again: Verdict::new(
            "I6",
            "a tick runs again only if its run was broken off, with a larger attempt",
        ),
        once: Verdict::new("I6", "at-most-once: no tick runs twice"),
        calm: Verdict::new(
            "I6",
            "without a fault each tick runs exactly once, whatever the clocks",
        ),
        order: Verdict::new("I6", "ticks run in their order"),
        missed: Verdict::new(
            "I6",
            "a tick is reported as missed after its grace, once, and not run after that",
        ),
    };
    for group in view.tick_groups() {
        let ticks = ticks_of(view, group);
        // Which ticks there are is another question there: see `deployments`.
        let is_deployed = group.kind == Kind::Deployed;
        if !is_deployed {
            lost(view, group, &ticks, &mut all.lost);
        }
        for tick in ticks.values() {
            again(view, tick, &mut all.again);
            if is_deployed {
                continue;
            }
            if group.kind == Kind::AtMostOnce {
                once(view, tick, &mut all.once);
            }
            calm(view, tick, &mut all.calm);
            missed(view, tick, &mut all.missed);
        }
        order(view, group, &mut all.order);
    }
    vec![
        all.lost, all.again, all.once, all.calm, all.order, all.missed,
    ]
}

struct Verdicts {
    lost: Verdict,
    again: Verdict,
    once: Verdict,
    calm: Verdict,
    order: Verdict,
    missed: Verdict,
}

/// Returns when the holder reported the end of the lease, or its begin if it reported none.
fn reported(lease: &Lease) -> u64 {
    lease.end.map_or(lease.begin, |(_, at)| at)
}

fn again(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    for pair in tick.starts.windows(2) {
        let [before, after] = pair else { continue };
        verdict.checks += 1;
        let reported = reported(before);
        if view.was_lost_under(before, after, reported) || view.was_forgotten_under(before, after) {
            verdict.excused += 1;
            continue;
        }
        let records = [
            Some(before.record),
            before.end.map(|(index, _)| index),
            Some(after.record),
        ];
        if before.ended == Ended::Done {
            verdict.violated(
                format!(
                    "run again after it was done: {} then {}",
                    view.describe(before),
                    view.describe(after)
                ),
                records.into_iter().flatten(),
            );
        }
        let attempt = |lease: &Lease| lease.tick_attempt.map_or(0, |(_, attempt)| attempt);
        if attempt(before) >= attempt(after) {
            verdict.violated(
                format!(
                    "an attempt that does not grow: {} then {}",
                    view.describe(before),
                    view.describe(after)
                ),
                records.into_iter().flatten(),
            );
        }
    }
}

fn once(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    verdict.checks += 1;
    for pair in tick.starts.windows(2) {
        let [before, after] = pair else { continue };
        let reported = reported(before);
        if view.was_lost_under(before, after, reported) || view.was_forgotten_under(before, after) {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "at most once, but twice: {} and {}",
                    view.describe(before),
                    view.describe(after)
                ),
                [before.record, after.record],
            );
        }
    }
}

fn calm(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    // A machine that is slow for a moment makes it miss a tick.
    if tick.group.grace_ms * MILLI < SHORT_GRACE {
        return;
    }
    let ended = tick
        .starts
        .iter()
        .filter_map(|lease| lease.end)
        .map(|(_, at)| at)
        .max();
    let due = view.due(tick.tick);
    let settled = ended.unwrap_or(due + SKEW).max(due + SKEW);
    // One that has reported no end may be at work for as long as its work takes.
    let work = tick.group.job_ms * MILLI + SKEW;
    let at_work = tick
        .starts
        .iter()
        .filter(|lease| lease.end.is_none())
        .map(|lease| lease.begin + work)
        .max();
    let span = Span {
        from: due.saturating_sub(SKEW + tick.group.ttl_ms * MILLI + AFTERMATH),
        to: settled.max(at_work.unwrap_or_default()),
    };
    let last = view.records.last().map_or(0, |record| record.at);
    let last = view.end.unwrap_or(last);
    let is_over = settled >= last;
    if is_over
        || view.faults_on(tick.group.group, span).next().is_some()
        || view.stalls.iter().any(|stall| stall.meets(span))
    {
        return;
    }
    verdict.checks += 1;
    if is_troubled(view, tick.group.group, span) {
        verdict.excused += 1;
        return;
    }
    let [only] = tick.starts[..] else {
        verdict.violated(
            format!(
                "tick {} of {} was run {} times though nothing was wrong",
                tick.tick,
                tick.group.name,
                tick.starts.len()
            ),
            tick.starts.iter().map(|lease| lease.record),
        );
        return;
    };
    if only.end.is_none() && only.begin + work >= last {
        // Late, and cut off by the end of the run.
        return;
    }
    if only.tick_attempt.is_some_and(|(_, attempt)| attempt != 1) || only.ended != Ended::Done {
        verdict.violated(
            format!(
                "not run to its end at the first attempt though nothing was wrong: {}",
                view.describe(only)
            ),
            [only.record],
        );
    }
}

/// Returns whether a replica had trouble that was not injected, such as a busy disk or processor.
fn is_troubled(view: &View<'_>, group: usize, span: Span) -> bool {
    view.troubles
        .iter()
        .any(|&(at, life)| span.from <= at && at <= span.to && view.lives[&life].group == group)
}

fn order(view: &View<'_>, group: &Group, verdict: &mut Verdict) {
    let mut leases: Vec<_> = view.leases_of(group.group).collect();
    leases.sort_by_key(|lease| lease.fence);
    for pair in leases.windows(2) {
        let [before, after] = pair else { continue };
        verdict.checks += 1;
        if after.tick_attempt.map(|(tick, _)| tick) >= before.tick_attempt.map(|(tick, _)| tick) {
            continue;
        }
        let grace = group.grace_ms * MILLI;
        let first = before.begin.min(after.begin);
        let last = before.begin.max(after.begin);
        if view.was_lost(group.group, first.saturating_sub(grace), last)
            || view.was_lost_under(before, after, reported(before))
            || view.was_forgotten(group.group, first.saturating_sub(grace), last)
        {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "out of order: {} then {}",
                    view.describe(before),
                    view.describe(after)
                ),
                [before.record, after.record],
            );
        }
    }
}

fn missed(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    let Some(&(record, at)) = tick.missed.first() else {
        return;
    };
    verdict.checks += 1;
    let grace = tick.group.grace_ms * MILLI;
    let lost = view.was_lost(
        tick.group.group,
        view.due(tick.tick).saturating_sub(SKEW),
        at + grace,
    );
    let forgotten = view.was_forgotten(
        tick.group.group,
        view.due(tick.tick).saturating_sub(SKEW),
        at + grace,
    );
    if lost || forgotten {
        verdict.excused += 1;
        return;
    }
    if at < view.due(tick.tick) + grace {
        verdict.violated(
            format!(
                "tick {} of {} was given up {} ms before its grace was over",
                tick.tick,
                tick.group.name,
                (view.due(tick.tick) + grace - at) / MILLI
            ),
            [record],
        );
    }
    // With the watermark the record of who gave it up has gone back.
    let is_undone = |&(_, at): &(usize, u64)| view.was_undone(tick.group.group, at, at);
    if tick.missed.iter().any(is_undone) {
        verdict.excused += 1;
        return;
    }
    if tick.missed.len() > 1 {
        verdict.violated(
            format!(
                "tick {} of {} was reported twice",
                tick.tick, tick.group.name
            ),
            tick.missed.iter().map(|&(index, _)| index),
        );
    }
    for lease in &tick.starts {
        if lease.begin > at && !view.was_paused(lease, lease.begin) {
            verdict.violated(
                format!("run after it was given up: {}", view.describe(lease)),
                [record, lease.record],
            );
        }
    }
}

#[cfg(test)]
mod tests;
