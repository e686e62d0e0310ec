//! The leases of the replicas, against the grants of the server.

use super::super::lease::Lease;
use super::super::verdict::Verdict;
use super::grant::{Grant, ROUNDING};
use super::replay::Replay;
use crate::history::{Backend, MILLI, SECOND};

/// I8: no replica works without a grant of the server, and so none begins while the server is away.
pub(super) fn granted(replay: &Replay<'_, '_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I8",
        "no replica works without a grant of the server: nothing begins while it is unavailable",
    );
    for (lease, grant) in leases(replay) {
        verdict.checks += 1;
        let Some(grant) = grant else {
            // A grant that was not seen was made at most one ttl ago; a server that is killed
            // may take its last words with it.
            let ttl = replay.view.groups[lease.group].ttl_ms * MILLI;
            let since = lease.begin.saturating_sub(ttl);
            if replay
                .blind
                .iter()
                .any(|&(from, to)| from <= lease.begin + SECOND && to >= since)
            {
                verdict.excused += 1;
            } else {
                verdict.violated(
                    format!("at work without a grant: {}", replay.view.describe(lease)),
                    [lease.record],
                );
            }
            continue;
        };
        if grant.at > lease.begin + ROUNDING {
            verdict.violated(
                format!(
                    "at work before it was granted: {}",
                    replay.view.describe(lease)
                ),
                [lease.record],
            );
        }
    }
    verdict
}

/// I2: a holder that is not stopped is told, or has finished, before the server admits another one.
pub(super) fn told(replay: &Replay<'_, '_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I2",
        "a holder that is not stopped has ended, or was told, before its key expires",
    );
    let mut narrowest = u64::MAX;
    for (lease, grant) in leases(replay) {
        let Some(grant) = grant else { continue };
        let until = replay.view.at_work_until(lease);
        let expires = grant.covers(until);
        verdict.checks += 1;
        if replay.view.was_lost(lease.group, grant.at, until)
            || replay.view.was_paused(lease, until)
        {
            verdict.excused += 1;
            continue;
        }
        if until >= expires {
            verdict.violated(
                format!(
                    "at work {} ms after its key had expired: {}",
                    (until - expires) / MILLI,
                    replay.view.describe(lease)
                ),
                [lease.record]
                    .into_iter()
                    .chain(lease.end.map(|(index, _)| index)),
            );
        } else if lease.told.is_some() {
            narrowest = narrowest.min(expires - until);
        }
    }
    if narrowest != u64::MAX {
        verdict.note = Some(format!("told at least {} ms before", narrowest / MILLI));
    }
    verdict
}

/// Returns the leases on this server, each with its grant.
fn leases<'r>(replay: &'r Replay<'_, '_>) -> impl Iterator<Item = (&'r Lease, Option<&'r Grant>)> {
    replay
        .view
        .leases
        .iter()
        .filter(|lease| replay.view.groups[lease.group].backend == Backend::Redis)
        .map(|lease| (lease, replay.grants.get(&(lease.group, lease.fence))))
}
