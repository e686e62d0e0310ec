//! A tick, and what was reported of it.

use std::collections::BTreeMap;

use super::super::lease::Lease;
use super::super::view::View;
use crate::history::{Group, SECOND, TickEvent, What};

/// How long before it is due a replica whose clock is ahead may claim a tick.
pub(super) const SKEW: u64 = 2 * SECOND;

/// A tick of a group.
pub(crate) struct Tick<'v> {
    pub(crate) group: &'v Group,
    pub(crate) tick: u64,
    /// The leases, in the order of their fences.
    pub(crate) starts: Vec<&'v Lease>,
    /// The records that report it as missed.
    pub(crate) missed: Vec<(usize, u64)>,
    /// The records that give it up because its holders died.
    pub(crate) dead_letters: Vec<(usize, u64)>,
    /// The records that say that a peer has run it.
    pub(crate) by_peer: Vec<(usize, u64)>,
}

/// Returns the ticks of a group that any replica has reported.
pub(crate) fn ticks_of<'v>(view: &'v View<'_>, group: &'v Group) -> BTreeMap<u64, Tick<'v>> {
    let mut ticks: BTreeMap<u64, Tick<'_>> = BTreeMap::new();
    let new = |tick| Tick {
        group,
        tick,
        starts: Vec::new(),
        missed: Vec::new(),
        dead_letters: Vec::new(),
        by_peer: Vec::new(),
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
            event: event @ (TickEvent::Missed | TickEvent::DeadLetter | TickEvent::RanByPeer),
            tick,
            ..
        } = record.what
            && view.lives[&life].group == group.group
        {
            let entry = ticks.entry(tick).or_insert_with(|| new(tick));
            let list = match event {
                TickEvent::DeadLetter => &mut entry.dead_letters,
                TickEvent::RanByPeer => &mut entry.by_peer,
                _ => &mut entry.missed,
            };
            list.push((index, record.at));
        }
    }
    for tick in ticks.values_mut() {
        tick.starts.sort_by_key(|lease| lease.fence);
    }
    ticks
}
