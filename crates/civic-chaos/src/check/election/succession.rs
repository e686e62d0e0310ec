//! Who leads after whom, and how soon.

use super::super::lease::{Ended, Lease};
use super::super::limits::{JITTER, SLACK, followed};
use super::super::span::{AFTERMATH, Span};
use super::super::verdict::Verdict;
use super::super::view::View;
use crate::fault::Class;
use crate::history::{Group, MILLI, SECOND};

/// How long after a resignation the next leader is elected, if the hint is heard: a look at a file
/// comes every 200 ms.
const AT_ONCE: u64 = 500 * MILLI;
/// How long after a fault of the server, or of a link, every candidate hears the hints again.
const HEARS_AGAIN: u64 = 5 * SECOND;
/// One resignation of so many, rounded up, may be followed later on a busy machine.
const ONE_OF: usize = 10;

/// Checks that each leader that has ended is followed in time.
pub(super) fn followers(
    view: &View<'_>,
    group: &Group,
    crash: &mut Verdict,
    resignation: &mut Verdict,
) {
    let leases: Vec<&Lease> = view.leases_of(group.group).collect();
    for (nth, &lease) in leases.iter().enumerate() {
        let heir = leases.get(nth + 1).copied();
        if lease.ended == Ended::Silent
            && let Some(from) = view.lives[&lease.life].killed
        {
            let limit = group.ttl_ms * MILLI + JITTER + SLACK;
            followed(view, lease, heir, from, limit, crash);
        } else if let Some(from) = resigned(view, lease) {
            let limit = group.poll_cap_ms * MILLI + JITTER + SLACK;
            followed(view, lease, heir, from, limit, resignation);
        }
    }
}

/// Returns when a leader has resigned, unless it may have been killed before the store heard of it.
fn resigned(view: &View<'_>, lease: &Lease) -> Option<u64> {
    let (_, from) = lease.end.filter(|_| lease.ended == Ended::Done)?;
    let killed = view.lives[&lease.life].killed;
    killed
        .is_none_or(|killed| killed > from + AT_ONCE)
        .then_some(from)
}

/// Checks the resignations that no fault is near. One that resigns lets others go first for as long
/// as `AT_ONCE`, so if it is elected itself no one has heard of it.
pub(super) fn followed_at_once(view: &View<'_>, group: &Group, verdict: &mut Verdict) {
    let mut took = Vec::new();
    let leases: Vec<&Lease> = view.leases_of(group.group).collect();
    for (nth, &lease) in leases.iter().enumerate() {
        let Some(from) = resigned(view, lease) else {
            continue;
        };
        if !is_calm(view, lease, from) {
            verdict.excused += 1;
            continue;
        }
        let heir = leases.get(nth + 1);
        let other = heir.filter(|heir| heir.life != lease.life);
        let after = other.map_or(u64::MAX, |heir| heir.begin.saturating_sub(from));
        took.push((after, lease));
    }
    verdict.checks += took.len() as u64;
    took.sort_unstable_by_key(|&(after, _)| after);
    let late: Vec<_> = took.iter().filter(|&&(after, _)| after > AT_ONCE).collect();
    if late.len() > took.len().div_ceil(ONE_OF) {
        verdict.violated(
            format!(
                "{} of {} resignations in {} were not followed by another candidate within {} ms",
                late.len(),
                took.len(),
                group.name,
                AT_ONCE / MILLI
            ),
            late.iter().map(|(_, lease)| lease.record),
        );
    }
    let Some(&(half, _)) = took.get(took.len() / 2) else {
        return;
    };
    let note = format!(
        "{}: half after {} ms, {} later than {} ms",
        group.name,
        half / MILLI,
        late.len(),
        AT_ONCE / MILLI
    );
    verdict.note = Some(match verdict.note.take() {
        Some(before) => format!("{before}; {note}"),
        None => note,
    });
}

/// Returns whether a leader that resigns at `from` can be followed at once: another candidate has
/// heard the hints for a while, and no process stops or ends that may just have been elected.
fn is_calm(view: &View<'_>, lease: &Lease, from: u64) -> bool {
    let near = Span {
        from: from.saturating_sub(AFTERMATH),
        to: from + AT_ONCE,
    };
    let hearing = Span {
        from: from.saturating_sub(HEARS_AGAIN),
        ..near
    };
    let is_deaf = view
        .faults_on(lease.group, hearing)
        .any(|fault| fault.fault.class() != Class::Replica);
    let is_hit = view
        .faults_on(lease.group, near)
        .any(|fault| fault.life != Some(lease.life));
    let hears = view.lives.iter().any(|(&life, other)| {
        life != lease.life && other.group == lease.group && other.is_well(hearing)
    });
    let paused = view.life_was_paused(lease.life, near.from, near.to);
    let over = view.end.is_some_and(|end| near.to >= end);
    !is_deaf && !is_hit && hears && !paused && !over
}
