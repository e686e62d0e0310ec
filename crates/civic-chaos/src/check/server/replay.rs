//! The writes of the server in their order, and the promises that each of them must keep.

use std::collections::{BTreeMap, BTreeSet};

use super::super::verdict::Verdict;
use super::super::view::View;
use super::grant::{Grant, ROUNDING};
use super::key::Key;
use super::words;
use crate::history::{Backend, ForeignStep, MILLI, Record, ServerState, TickEvent, What};

/// The state of the server after each record, rebuilt from its writes.
pub(super) struct Replay<'v, 'a> {
    pub(super) view: &'v View<'a>,
    /// The key of each group, by database and name.
    keys: BTreeMap<(u8, String), (usize, Option<Key>)>,
    pub(super) grants: BTreeMap<(usize, u64), Grant>,
    /// The fence that each value was granted with.
    holders: BTreeMap<(usize, String), u64>,
    /// The fence that a script has just set, until it sets the key.
    minted: Option<(u8, u64)>,
    /// The ttl that a peer asked for, by value.
    asked: BTreeMap<String, u64>,
    watched: bool,
    /// Whether the server may delete any key, which it does not report.
    evicts: bool,
    /// The spans in which writes were not seen.
    pub(super) blind: Vec<(u64, u64)>,
    pub(super) owners: Verdict,
    pub(super) takeovers: Verdict,
    pub(super) foreign: Verdict,
    pub(super) holds: Verdict,
    planted: BTreeMap<usize, (usize, u64)>,
    /// The grants of ticks that were not run again, but given up after too many crashes.
    given_up: BTreeSet<(usize, u64)>,
}

// ===== impl Replay =====

impl<'v, 'a> Replay<'v, 'a> {
    /// Creates the state before the first record.
    pub(super) fn new(view: &'v View<'a>) -> Self {
        let keys = view
            .groups
            .iter()
            .filter(|group| group.backend == Backend::Redis)
            .map(|group| {
                (
                    (group.db, format!("lock:{}", group.lock)),
                    (group.group, None),
                )
            })
            .collect();
        Self {
            view,
            keys,
            grants: BTreeMap::new(),
            holders: BTreeMap::new(),
            minted: None,
            asked: BTreeMap::new(),
            watched: false,
            evicts: false,
            blind: vec![(0, u64::MAX)],
            owners: Verdict::new("I4", "a key is deleted or extended by its holder only"),
            takeovers: Verdict::new(
                "I12",
                "no key is set over another's before that has expired or was given back",
            ),
            foreign: Verdict::new(
                "I4",
                "a Node peer's key stays untouched, and excludes all replicas",
            ),
            holds: Verdict::new("I7", "the key of a tick stays for its minimum hold"),
            planted: BTreeMap::new(),
            given_up: dead_letters(view),
        }
    }

    /// Applies the next record.
    pub(super) fn apply(&mut self, index: usize, record: &Record) {
        match &record.what {
            What::Write { db, words, script } => {
                self.write(index, record.at, *db, words, script.as_deref());
            }
            What::Server { state, .. } => match state {
                ServerState::Watched => {
                    self.watched = true;
                    if let Some(blind) = self.blind.last_mut() {
                        blind.1 = blind.1.min(record.at);
                    }
                }
                ServerState::Lost => {
                    self.evicts = true;
                    self.forget();
                }
                ServerState::Back => {
                    // What was written or evicted meanwhile is not known.
                    if !self.watched || self.evicts {
                        self.forget();
                    }
                    self.evicts = false;
                }
                ServerState::Away | ServerState::Replaced | ServerState::Stale => {}
                ServerState::Unwatched => {
                    self.watched = false;
                    self.blind.push((record.at, u64::MAX));
                }
            },
            What::Foreign { group, value, step } => {
                self.foreign_step(index, record.at, *group, value, *step);
            }
            _ => {}
        }
    }

    /// Forgets who has which key.
    fn forget(&mut self) {
        for (_, key) in self.keys.values_mut() {
            *key = None;
        }
    }

    fn write(
        &mut self,
        index: usize,
        at: u64,
        db: u8,
        words: &[String],
        script: Option<&[String]>,
    ) {
        let [command, name, rest @ ..] = words else {
            return;
        };
        let command = command.to_ascii_uppercase();
        if let Some(lock) = name.strip_prefix('{') {
            self.companion(db, lock, &command, rest, script);
            return;
        }
        let Some((group, key)) = self.keys.get_mut(&(db, name.clone())) else {
            return;
        };
        let group = *group;
        let Some(script) = script else {
            if let (Some(value), Some(ttl)) = (rest.first(), words::seconds(rest)) {
                self.asked.insert(value.clone(), ttl);
            }
            return;
        };
        let caller = script.first().map_or("", String::as_str);
        match command.as_str() {
            "SET" => {
                let (Some(value), Some(ttl)) = (rest.first(), words::millis(rest)) else {
                    self.owners.violated("a key without a ttl", [index]);
                    return;
                };
                self.takeovers.checks += 1;
                // A list of values is one argument.
                let mut abandoned = script[1..].iter().flat_map(|list| list.split(' '));
                if let Some(old) = key
                    && old.value != *value
                    && old.expires > at + ROUNDING
                    && !old.completed
                    && !self.evicts
                    && !abandoned.any(|value| value == old.value)
                {
                    let left = (old.expires - at) / MILLI;
                    self.takeovers.violated(
                        format!(
                            "{value} was set over {}, {left} ms before its end",
                            old.value
                        ),
                        [old.record, index],
                    );
                }
                let fence = self.minted.take().filter(|minted| minted.0 == db);
                let fence = fence.map(|(_, fence)| fence);
                let expires = at + ttl;
                if let Some(fence) = fence {
                    let expiries = vec![(at, expires)];
                    self.grants.insert((group, fence), Grant { at, expiries });
                    self.holders.insert((group, value.clone()), fence);
                }
                *key = Some(Key {
                    value: value.clone(),
                    set: at,
                    expires,
                    record: index,
                    fence,
                    completed: false,
                });
            }
            "PEXPIRE" | "DEL" => {
                let ttl = match command.as_str() {
                    "DEL" => 0,
                    _ => rest.first().and_then(|ms| ms.parse().ok()).unwrap_or(0) * MILLI,
                };
                let Some(held) = key else {
                    // Whose key it is was not seen. An extension by its own holder still counts.
                    let grant = self
                        .holders
                        .get(&(group, caller.to_owned()))
                        .and_then(|fence| self.grants.get_mut(&(group, *fence)));
                    if let Some(grant) = grant {
                        grant.expiries.push((at, at + ttl));
                    }
                    return;
                };
                self.owners.checks += 1;
                // One that has expired is gone: a peer may have the key that got no answer when it
                // took it, and gives it back.
                if held.value != caller && held.expires + ROUNDING > at {
                    self.owners.violated(
                        format!("{command} of the key of {} by {caller}", held.value),
                        [held.record, index],
                    );
                }
                held.expires = at + ttl;
                if let Some(grant) = held.fence.and_then(|f| self.grants.get_mut(&(group, f))) {
                    grant.expiries.push((at, held.expires));
                }
                let was_run = !held
                    .fence
                    .is_some_and(|f| self.given_up.contains(&(group, f)));
                if held.completed && was_run {
                    held.check_minimum_hold(self.view.groups[group], index, &mut self.holds);
                }
                if command == "DEL" {
                    *key = None;
                }
            }
            _ => {}
        }
    }

    /// The fence and the watermark, which live beside the key.
    fn companion(
        &mut self,
        db: u8,
        lock: &str,
        command: &str,
        rest: &[String],
        script: Option<&[String]>,
    ) {
        let Some((name, what)) = lock.split_once("}:") else {
            return;
        };
        match (what, command) {
            ("fence", "SET") => {
                self.minted = rest
                    .first()
                    .and_then(|fence| fence.parse().ok())
                    .map(|fence| (db, fence));
            }
            ("tick", "HSET") => {
                // Only a completion names a holder.
                let by = rest
                    .chunks(2)
                    .find_map(|pair| (pair.first()? == "by").then(|| pair.get(1)).flatten());
                if let (Some(by), Some((_, Some(key)))) =
                    (by, self.keys.get_mut(&(db, name.to_owned())))
                    && key.value == *by
                    && script.and_then(<[String]>::first) == Some(by)
                {
                    key.completed = true;
                }
            }
            _ => {}
        }
    }

    fn foreign_step(
        &mut self,
        index: usize,
        at: u64,
        group: usize,
        value: &str,
        step: ForeignStep,
    ) {
        let view = self.view;
        match step {
            ForeignStep::Taken => {
                self.planted.insert(group, (index, at));
                let ttl = self.asked.get(value).copied().unwrap_or_default();
                let name = format!("lock:{}", view.groups[group].lock);
                if let Some((_, key)) = self.keys.get_mut(&(view.groups[group].db, name)) {
                    *key = Some(Key {
                        value: value.to_owned(),
                        set: at,
                        expires: at + ttl,
                        record: index,
                        fence: None,
                        completed: false,
                    });
                }
            }
            ForeignStep::Returning => {
                let Some(&(taken, from)) = self.planted.get(&group) else {
                    return;
                };
                self.foreign.checks += 1;
                if view.was_lost(group, from, at) || view.was_undone(group, from, from) {
                    self.foreign.excused += 1;
                    return;
                }
                for lease in view.leases_of(group) {
                    let until = view.at_work_until(lease);
                    if lease.begin >= at || until <= from {
                        continue;
                    }
                    if view.was_paused(lease, until) || view.was_lost_under(lease, lease, until) {
                        self.foreign.excused += 1;
                    } else {
                        self.foreign.violated(
                            format!(
                                "at work while a Node peer has the lock: {}",
                                view.describe(lease)
                            ),
                            [taken, lease.record],
                        );
                    }
                }
            }
            ForeignStep::Returned => {
                self.planted.remove(&group);
            }
            ForeignStep::Damaged => {
                let taken = self.planted.remove(&group);
                if taken.is_some_and(|(_, from)| {
                    view.was_lost(group, from, at) || view.was_undone(group, from, from)
                }) {
                    self.foreign.excused += 1;
                    return;
                }
                self.foreign
                    .violated(format!("the key of the peer {value} was touched"), [index]);
            }
        }
    }
}

/// Returns the groups and fences of the claims that ended as a dead letter.
fn dead_letters(view: &View<'_>) -> BTreeSet<(usize, u64)> {
    view.records
        .iter()
        .filter_map(|record| match record.what {
            What::Tick {
                life,
                event: TickEvent::DeadLetter,
                fence,
                ..
            } => Some((view.lives[&life].group, fence)),
            _ => None,
        })
        .collect()
}
