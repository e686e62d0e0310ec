//! Promises about time, and about what is left at the end.
//!
//! The bounds of time are generous, so that a busy machine does not break them. The other promises
//! are exact.

use super::lease::{Ended, Lease};
use super::span::Span;
use super::verdict::Verdict;
use super::view::View;
use crate::fault::Class;
use crate::history::{Acquire, Kind, MILLI, SECOND, What};

/// How much longer than any promised time a busy machine may take.
pub(super) const SLACK: u64 = 3 * SECOND;
/// The most that a waiting replica adds to a ttl.
pub(super) const JITTER: u64 = 250 * MILLI;
/// How long a replica that has just been started needs before it can take over.
const READY: u64 = 2 * SECOND;
/// Connections may come and go; a leak grows with each fault.
const MORE_FILES: u64 = 16;

pub(super) fn check(view: &View<'_>) -> Vec<Verdict> {
    let mut takeover = Verdict::new(
        "I5",
        "a killed holder's tick is taken over within ttl + jitter",
    );
    let mut handover = Verdict::new(
        "I5",
        "a stopped holder's tick is taken over within the poll cap",
    );
    for group in view.tick_groups() {
        // A tick that is not taken over within its grace is missed.
        let within = (group.ttl_ms + group.poll_cap_ms) * MILLI + SLACK;
        if group.kind != Kind::AtLeastOnce || group.grace_ms * MILLI < within {
            continue;
        }
        for lease in view.leases_of(group.group) {
            let life = &view.lives[&lease.life];
            if lease.ended == Ended::HandedOver {
                if let Some(from) = life.terminated {
                    let limit = group.poll_cap_ms * MILLI + JITTER + SLACK;
                    taken_over(view, lease, from, limit, &mut handover);
                }
            } else if lease.ended == Ended::Silent
                && let Some(from) = life.killed
                && from < lease.begin + group.job_ms * MILLI
                && lease
                    .tick_attempt
                    .is_some_and(|(_, nth)| nth < group.max_attempts)
            {
                let limit = group.ttl_ms * MILLI + JITTER + SLACK;
                taken_over(view, lease, from, limit, &mut takeover);
            }
        }
    }
    vec![
        takeover.with_note(),
        handover.with_note(),
        acquires(view),
        leftovers(view),
        processes(view),
    ]
}

impl Verdict {
    /// Keeps the slowest time in the note, as milliseconds, while counting.
    pub(super) fn slowest(&mut self, took: u64) {
        let took = took / MILLI;
        let before = self.note.as_ref().and_then(|note| note.parse().ok());
        self.note = Some(before.unwrap_or(0).max(took).to_string());
    }

    pub(super) fn with_note(mut self) -> Self {
        self.note = self
            .note
            .map(|slowest| format!("the slowest after {slowest} ms"));
        self
    }
}

/// Checks that another replica starts the same tick within `limit`, unless a fault hinders it.
fn taken_over(view: &View<'_>, lease: &Lease, from: u64, limit: u64, verdict: &mut Verdict) {
    let Some((tick, _)) = lease.tick_attempt else {
        return;
    };
    let heir = view
        .leases_of(lease.group)
        .filter(|other| other.fence > lease.fence)
        .find(|other| {
            other
                .tick_attempt
                .is_some_and(|tick_attempt| tick_attempt.0 == tick)
        });
    followed(view, lease, heir, from, limit, verdict);
}

/// Checks that the heir of a lease begins within `limit`, unless a fault hinders it.
pub(super) fn followed(
    view: &View<'_>,
    lease: &Lease,
    heir: Option<&Lease>,
    from: u64,
    limit: u64,
    verdict: &mut Verdict,
) {
    verdict.checks += 1;
    if let Some(heir) = heir
        && heir.begin <= from + limit
    {
        verdict.slowest(heir.begin.saturating_sub(from));
        return;
    }
    // Too late, or never.
    if !could_be_followed(view, lease, from, limit) {
        verdict.excused += 1;
        return;
    }
    verdict.violated(
        format!(
            "not taken over within {} ms: {}",
            limit / MILLI,
            view.describe(lease)
        ),
        [lease.record]
            .into_iter()
            .chain(heir.map(|heir| heir.record)),
    );
}

/// Returns whether there was a replica that could follow the holder of a lease, and nothing that
/// hindered it.
fn could_be_followed(view: &View<'_>, lease: &Lease, from: u64, limit: u64) -> bool {
    let span = Span {
        from: from.saturating_sub(READY),
        to: from + limit,
    };
    let others_in_the_way = view
        .faults_on(lease.group, span)
        .any(|fault| fault.life != Some(lease.life) || fault.fault.class() != Class::Replica);
    let somebody = view.lives.iter().any(|(&life, other)| {
        life != lease.life && other.group == lease.group && other.is_well(span)
    });
    let over = view.end.is_some_and(|end| span.to >= end);
    let stalled = view.stalls.iter().any(|stall| stall.meets(span));
    !others_in_the_way && somebody && !over && !stalled
}

/// I9: every acquire returns.
fn acquires(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new("I9", "every acquire returns within the command timeout");
    let mut slowest = 0;
    let mut unavailable: u64 = 0;
    for (index, record) in view.records.iter().enumerate() {
        let What::Acquire {
            life,
            outcome,
            took_ms,
        } = record.what
        else {
            continue;
        };
        verdict.checks += 1;
        unavailable += u64::from(outcome == Acquire::Unavailable);
        let took = took_ms * MILLI;
        let limit = view.groups[view.lives[&life].group].command_timeout_ms * MILLI + SLACK;
        if view.life_was_paused(life, record.at.saturating_sub(took), record.at) {
            verdict.excused += u64::from(took > limit);
            continue;
        }
        slowest = slowest.max(took_ms);
        if took > limit {
            verdict.violated(format!("an acquire took {took_ms} ms"), [index]);
        }
    }
    verdict.note = Some(format!(
        "the slowest took {slowest} ms; {unavailable} returned unavailable"
    ));
    verdict
}

/// I3: a key without a holder is gone when its ttl has passed.
fn leftovers(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new("I3", "no key of a lock outlives its ttl");
    // Only a server can be asked.
    verdict.checks = view
        .leases
        .iter()
        .filter(|lease| view.groups[lease.group].backend.is_main())
        .count() as u64;
    for (index, record) in view.records.iter().enumerate() {
        if let What::Left { key, pttl, .. } = &record.what {
            verdict.violated(format!("{key} is left, with a ttl of {pttl} ms"), [index]);
        }
    }
    verdict
}

/// I10: a replica that is told to stop does so, and none keeps file descriptors.
fn processes(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I10",
        "no process is left, none had to be killed, none keeps file descriptors",
    );
    for (index, record) in view.records.iter().enumerate() {
        match record.what {
            What::Exit { life, forced } => {
                verdict.checks += 1;
                let life = &view.lives[&life];
                if forced {
                    verdict.violated(
                        format!("{} did not stop when told to", life.replica),
                        [index],
                    );
                } else if life.killed.is_none() && life.terminated.is_none() {
                    verdict.violated(format!("{} died by itself", life.replica), [index]);
                }
            }
            What::Resources {
                life,
                files_at_start,
                files_at_end,
            } => {
                verdict.checks += 1;
                if files_at_end > files_at_start + MORE_FILES {
                    verdict.violated(
                        format!(
                            "{} had {files_at_start} files open, now {files_at_end}",
                            view.lives[&life].replica
                        ),
                        [index],
                    );
                }
            }
            _ => {}
        }
    }
    if view.end.is_some() {
        for life in view.lives.values().filter(|life| life.exit.is_none()) {
            verdict.violated(format!("{} is still there", life.replica), []);
        }
    }
    verdict
}

#[cfg(test)]
mod tests;
