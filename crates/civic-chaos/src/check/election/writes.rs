//! What leaders have written to the resource that compares their fences.

use super::super::span::AFTERMATH;
use super::super::verdict::Verdict;
use super::super::view::View;
use crate::history::{Group, What};

/// A write of a leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    index: usize,
    at: u64,
    life: u32,
    fence: u64,
    is_leader: bool,
    is_accepted: bool,
}

/// Returns the writes of a group, in the order in which they were let in or refused.
pub(super) fn writes_of(view: &View<'_>, group: &Group) -> Vec<Write> {
    let writes = view.records.iter().enumerate();
    let writes = writes.filter_map(|(index, record)| match record.what {
        What::Written {
            life,
            fence,
            is_leader,
            is_accepted,
        } if view.lives.get(&life)?.group == group.group => Some(Write {
            index,
            at: record.at,
            life,
            fence,
            is_leader,
            is_accepted,
        }),
        _ => None,
    });
    writes.collect()
}

/// Checks the writes in the order in which they were let in or refused.
pub(super) fn one_after_the_other(group: &Group, writes: &[Write], verdict: &mut Verdict) {
    let mut last: Option<Write> = None;
    let mut refused: u64 = 0;
    for &write in writes {
        verdict.checks += 1;
        let describe = |write: Write| format!("life {} with fence {}", write.life, write.fence);
        let before = last.map_or(0, |last| last.fence);
        if !write.is_accepted {
            refused += 1;
            if write.fence >= before {
                verdict.violated(
                    format!("refused, and not stale: {}", describe(write)),
                    [write.index],
                );
            }
            continue;
        }
        if let Some(last) = last
            && (write.fence < last.fence || write.fence == last.fence && write.life != last.life)
        {
            verdict.violated(
                format!(
                    "both accepted: {}, and then {}",
                    describe(last),
                    describe(write)
                ),
                [last.index, write.index],
            );
        }
        last = Some(write);
    }
    if last.is_none() {
        verdict.violated(
            format!(
                "no leader of {} ever wrote: nothing was checked",
                group.name
            ),
            [],
        );
    }
    let before = verdict.note.as_ref().and_then(|note| {
        let (number, _) = note.split_once(' ')?;
        number.parse::<u64>().ok()
    });
    let refused = refused + before.unwrap_or(0);
    verdict.note = Some(format!("{refused} stale writes were refused"));
}

/// Checks the writes of those that were sure to lead when they wrote.
pub(super) fn stale(view: &View<'_>, writes: &[Write], verdict: &mut Verdict) {
    for write in writes.iter().filter(|write| write.is_leader) {
        verdict.checks += 1;
        if write.is_accepted {
            continue;
        }
        let group = view.lives[&write.life].group;
        // It may have been stopped between the look at its clock and the write.
        let paused = view.life_was_paused(write.life, write.at.saturating_sub(AFTERMATH), write.at);
        let own = view
            .leases_of(group)
            .find(|lease| lease.life == write.life && lease.fence == write.fence);
        let newer = view
            .leases_of(group)
            .filter(|lease| lease.fence > write.fence);
        let lost = own.is_some_and(|own| {
            let mut newer = newer.filter(|newer| newer.begin <= write.at + AFTERMATH);
            newer.any(|newer| view.was_lost_under(own, newer, write.at))
        });
        if paused || lost {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "life {} was sure to lead with fence {}, and was refused",
                    write.life, write.fence
                ),
                own.map(|own| own.record).into_iter().chain([write.index]),
            );
        }
    }
}
