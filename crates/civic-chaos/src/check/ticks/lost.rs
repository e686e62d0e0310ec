//! A tick that is neither run nor reported.

use std::collections::BTreeMap;

use super::super::lease::{Ended, Lease};
use super::super::span::Span;
use super::super::verdict::Verdict;
use super::super::view::View;
use super::tick::{SKEW, Tick};
use crate::fault::Fault;
use crate::history::{Group, Kind, MILLI, SECOND, TickEvent, What};

/// How long after a server has come back empty the first replica finds it again. From then on the
/// state of that replica counts.
const FOUND_AGAIN: u64 = 5 * SECOND;

/// Checks that every multiple of the interval is known, from the first tick to the last, and that
/// the last one is not long before the end.
pub(super) fn lost(
    view: &View<'_>,
    group: &Group,
    ticks: &BTreeMap<u64, Tick<'_>>,
    verdict: &mut Verdict,
) {
    let settled = |tick: &Tick<'_>| {
        let done = |lease: &&Lease| matches!(lease.ended, Ended::Done | Ended::ConfirmedLate);
        let reported = [&tick.missed, &tick.dead_letters, &tick.by_peer];
        reported.iter().any(|records| !records.is_empty()) || tick.starts.iter().any(done)
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
    let grace = group.grace_ms * MILLI;
    if let Some(end) = view.end {
        verdict.checks += 1;
        let patience = (group.ttl_ms + group.interval_ms + group.poll_cap_ms) * MILLI + 2 * SKEW;
        let settled = settled_at(&ticks[&last]).unwrap_or_default();
        // One that has a backlog is behind, by its grace at most, but it does not stand still.
        if settled + patience < end || view.due(last) + grace + patience < end {
            verdict.violated(
                format!(
                    "{} stands still: its last tick that was run was due {} s before the end",
                    group.name,
                    end.saturating_sub(view.due(last)) / SECOND
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
            || is_taken_for_new(view, group, open)
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

/// Returns the instant at which the tick was run, or given up.
fn settled_at(tick: &Tick<'_>) -> Option<u64> {
    let ends = tick.starts.iter().filter_map(|lease| lease.end);
    let reports = tick.missed.iter().chain(&tick.dead_letters).copied();
    ends.chain(reports).map(|(_, at)| at).max()
}

/// Returns whether the watermark was deleted when a replica was there, or came, that had not seen
/// the job: if it is the first to look, it takes the job for a new one.
fn is_taken_for_new(view: &View<'_>, group: &Group, open: Span) -> bool {
    let has_seen = |life: u32, before: u64| {
        view.records
            .iter()
            .take_while(|record| record.at < before)
            .any(|record| match record.what {
                What::Tick {
                    life: of, event, ..
                } => of == life && event != TickEvent::Unavailable,
                _ => false,
            })
    };
    view.faults_on(group.group, open)
        .filter(|fault| fault.fault == Fault::ForgetTicks)
        .any(|fault| {
            view.lives.iter().any(|(&life, replica)| {
                replica.group == group.group
                    && replica.started < fault.span.to.saturating_add(FOUND_AGAIN)
                    && replica.gone() > fault.span.from
                    && !has_seen(life, fault.span.from)
            })
        })
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
