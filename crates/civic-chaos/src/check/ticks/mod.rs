//! I6: the outcome of each scheduled tick.

use std::collections::BTreeMap;

use super::lease::{Ended, Lease};
use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::history::{Group, Kind, MILLI, SECOND, TickEvent, What};

/// How long before it is due a replica whose clock is ahead may claim a tick.
const SKEW: u64 = 2 * SECOND;
/// How long the effects of a fault last: connections, backlog.
const AFTERMATH: u64 = 3 * SECOND;

/// With a shorter grace a tick can be missed without a fault.
const SHORT_GRACE: u64 = 10 * SECOND;
/// How long after a server has come back empty the first replica finds it again. From then on the
/// state of that replica counts.
const FOUND_AGAIN: u64 = 5 * SECOND;

/// A tick of a group.
struct Tick<'v> {
    group: &'v Group,
    tick: u64,
    /// The leases, in the order of their fences.
    starts: Vec<&'v Lease>,
    /// The records that report it as missed.
    missed: Vec<(usize, u64)>,
}

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
        lost(view, group, &ticks, &mut all.lost);
        for tick in ticks.values() {
            again(view, tick, &mut all.again);
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

fn ticks_of<'v>(view: &'v View<'_>, group: &'v Group) -> BTreeMap<u64, Tick<'v>> {
    let mut ticks: BTreeMap<u64, Tick<'_>> = BTreeMap::new();
    let new = |tick| Tick {
        group,
        tick,
        starts: Vec::new(),
        missed: Vec::new(),
    };
    for lease in view.leases_of(group.group) {
        if let Some((tick, _)) = lease.tick_attempt {
            let entry = ticks.entry(tick).or_insert_with(|| new(tick));
            entry.starts.push(lease);
        }
    }
    for (index, record) in view.records.iter().enumerate() {
        if let What::Tick {
            life,
            event: TickEvent::Missed,
            tick,
            ..
        } = record.what
            && view.lives[&life].group == group.group
        {
            let entry = ticks.entry(tick).or_insert_with(|| new(tick));
            entry.missed.push((index, record.at));
        }
    }
    for tick in ticks.values_mut() {
        tick.starts.sort_by_key(|lease| lease.fence);
    }
    ticks
}

/// Checks that every multiple of the interval is known, from the first tick to the last, and that
/// the last one is not long before the end.
fn lost(view: &View<'_>, group: &Group, ticks: &BTreeMap<u64, Tick<'_>>, verdict: &mut Verdict) {
    let settled = |tick: &Tick<'_>| {
        let done = |lease: &&Lease| matches!(lease.ended, Ended::Done | Ended::ConfirmedLate);
        !tick.missed.is_empty() || tick.starts.iter().any(done)
    };
    let first = ticks.keys().next().copied();
    let last = ticks
        .values()
        .filter(|tick| settled(tick))
        .map(|tick| tick.tick)
        .next_back();
    let (Some(first), Some(last)) = (first, last) else {
        verdict.violated(format!("no tick of {} was ever run", group.name), []);
        return;
    };
    if let Some(end) = view.end {
        verdict.checks += 1;
        let patience = (group.ttl_ms + group.interval_ms + group.poll_cap_ms) * MILLI + 2 * SKEW;
        if view.due(last) + patience < end {
            verdict.violated(
                format!(
                    "{} stands still: its last tick that was run was due {} s before the end",
                    group.name,
                    (end - view.due(last)) / SECOND
                ),
                [],
            );
        }
    }
    if group.kind == Kind::AtMostOnce {
        return;
    }
    let mut tick = first;
    while tick <= last {
        verdict.checks += 1;
        let known = ticks.get(&tick);
        // The replica recorded it in the store, and died before it could report it.
        let perhaps = |tick: &Tick<'_>| {
            tick.starts.last().is_some_and(|lease| {
                let life = &view.lives[&lease.life];
                let gone = [life.killed, life.terminated, life.exit]
                    .into_iter()
                    .flatten()
                    .min();
                match lease.ended {
                    Ended::Unconfirmed => true,
                    Ended::Silent => {
                        gone.is_some_and(|at| at >= lease.begin + group.job_ms * MILLI)
                    }
                    _ => false,
                }
            })
        };
        let open = Span {
            from: view.due(tick).saturating_sub(SKEW + FOUND_AGAIN),
            to: view.due(tick) + group.grace_ms * MILLI + FOUND_AGAIN,
        };
        if known.is_some_and(|known| settled(known) || perhaps(known)) {
        } else if view.was_lost(group.group, open.from, open.to)
            || may_have_died_reporting(view, group, view.due(tick) + group.grace_ms * MILLI)
        {
            verdict.excused += 1;
        } else {
            let records = known
                .into_iter()
                .flat_map(|known| known.starts.iter().map(|lease| lease.record));
            verdict.violated(
                format!("tick {tick} of {} was neither run nor reported", group.name),
                records,
            );
        }
        tick += group.interval_ms;
    }
}

/// Returns whether the report of a tick that was given up may be lost. A replica records first, and
/// reports then; if it is killed in between, there is no report.
fn may_have_died_reporting(view: &View<'_>, group: &Group, given_up: u64) -> bool {
    view.lives
        .values()
        .filter(|life| life.group == group.group)
        .filter_map(|life| life.killed)
        .any(|at| (given_up..given_up + FOUND_AGAIN).contains(&at))
}

fn again(view: &View<'_>, tick: &Tick<'_>, verdict: &mut Verdict) {
    for pair in tick.starts.windows(2) {
        let [before, after] = pair else { continue };
        verdict.checks += 1;
        if view.was_lost_under(before, after, 0) {
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
        if view.was_lost_under(before, after, 0) {
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
    let span = Span {
        from: due.saturating_sub(SKEW + tick.group.ttl_ms * MILLI + AFTERMATH),
        to: ended.unwrap_or(due + SKEW).max(due + SKEW),
    };
    let last = view.records.last().map_or(0, |record| record.at);
    let last = view.end.unwrap_or(last);
    let is_over = span.to >= last;
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
    let work = tick.group.job_ms * MILLI + SKEW;
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
    view.records.iter().any(|record| {
        let What::Tick { life, event, .. } = record.what else {
            return false;
        };
        matches!(event, TickEvent::Unavailable | TickEvent::Unrecorded)
            && span.from <= record.at
            && record.at <= span.to
            && view.lives[&life].group == group
    })
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
        if view.was_lost(group.group, first.saturating_sub(grace), last) {
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
    if lost {
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
