//! What the server itself executed, against what it should have: every write of every script, in
//! its order, with the server's clock (MONITOR).
//!
//! Only conventions of the wire are assumed, not which script does what: a script's first argument
//! is the holder on whose behalf it acts, and further arguments may name values that the same
//! process has abandoned.

use std::collections::BTreeMap;

use super::Verdict;
use super::view::{Lease, View};
use crate::history::{
    Backend, ForeignStep, Group, Kind, MILLI, Nanos, Record, SECOND, ServerState, What,
};

/// The server expires by whole milliseconds, and its clock and ours are compared once.
const ROUNDING: Nanos = 20 * MILLI;
/// A minimum hold is at most this long.
const LONGEST_HOLD_MS: u64 = 60_000;

pub(super) fn check(view: &View<'_>) -> Vec<Verdict> {
    let mut server = Server::new(view);
    for (index, record) in view.records.iter().enumerate() {
        server.take(index, record);
    }
    let (granted, told) = (server.granted(), server.told());
    vec![
        told,
        server.owners,
        server.takeovers,
        server.foreign,
        server.holds,
        granted,
    ]
}

/// A lease as the server gave it.
#[derive(Debug)]
struct Grant {
    at: Nanos,
    /// From when on it was to expire when.
    expiries: Vec<(Nanos, Nanos)>,
}

impl Grant {
    /// Until when nobody else could have the key, as things stood at `until`. A renewal after the
    /// end brings a lease back that others may have had meanwhile: it does not count.
    fn covers(&self, until: Nanos) -> Nanos {
        self.expiries
            .iter()
            .filter(|(at, expires)| *at <= until && expires > at)
            .fold(None, |covered, &(at, expires)| match covered {
                Some(covered) if at > covered + ROUNDING => Some(covered),
                _ => Some(expires),
            })
            .unwrap_or(self.at)
    }
}

/// The key of a lock.
#[derive(Debug)]
struct Key {
    value: String,
    set: Nanos,
    expires: Nanos,
    record: usize,
    fence: Option<u64>,
    /// Its tick is done: it only stays for those who know no watermark.
    completed: bool,
}

struct Server<'v, 'a> {
    view: &'v View<'a>,
    /// One a group, by (db, key).
    keys: BTreeMap<(u8, String), (usize, Option<Key>)>,
    grants: BTreeMap<(usize, u64), Grant>,
    /// The fences that values were granted with.
    holders: BTreeMap<(usize, String), u64>,
    /// The fence that a script has just set, until it sets the key.
    minted: Option<(u8, u64)>,
    /// The ttl that a peer has asked for with a value.
    asked: BTreeMap<String, Nanos>,
    watched: bool,
    /// When writes were not seen.
    blind: Vec<(Nanos, Nanos)>,
    owners: Verdict,
    takeovers: Verdict,
    foreign: Verdict,
    holds: Verdict,
    planted: BTreeMap<usize, (usize, Nanos)>,
}

impl<'v, 'a> Server<'v, 'a> {
    fn new(view: &'v View<'a>) -> Self {
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
            blind: vec![(0, Nanos::MAX)],
            owners: Verdict::new("I4", "a key is deleted or extended by its holder only"),
            takeovers: Verdict::new(
                "I12",
                "no key is set over another's before that has expired or was given back",
            ),
            foreign: Verdict::new("I4", "a Node peer's key stays untouched, and keeps us out"),
            holds: Verdict::new("I7", "the key of a tick stays for its minimum hold"),
            planted: BTreeMap::new(),
        }
    }

    fn take(&mut self, index: usize, record: &Record) {
        match &record.what {
            What::Write { db, words, script } => {
                self.write(index, record.at, *db, words, script.as_deref());
            }
            What::Server { state } => match state {
                ServerState::Watched => {
                    self.watched = true;
                    if let Some(blind) = self.blind.last_mut() {
                        blind.1 = blind.1.min(record.at);
                    }
                }
                ServerState::Lost => {
                    for (_, key) in self.keys.values_mut() {
                        *key = None;
                    }
                }
                ServerState::Back => {
                    if self.watched {
                        return;
                    }
                    // What was written meanwhile is not known.
                    for (_, key) in self.keys.values_mut() {
                        *key = None;
                    }
                }
                ServerState::Away => {}
                ServerState::Unwatched => {
                    self.watched = false;
                    self.blind.push((record.at, Nanos::MAX));
                }
            },
            What::Foreign { group, value, step } => {
                self.foreign_step(index, record.at, *group, value, *step);
            }
            _ => {}
        }
    }

    fn write(
        &mut self,
        index: usize,
        at: Nanos,
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
            if let (Some(value), Some(ttl)) = (rest.first(), seconds(rest)) {
                self.asked.insert(value.clone(), ttl);
            }
            return;
        };
        let caller = script.first().map_or("", String::as_str);
        match command.as_str() {
            "SET" => {
                let (Some(value), Some(ttl)) = (rest.first(), millis_of(rest)) else {
                    self.owners.violated("a key without a ttl", [index]);
                    return;
                };
                self.takeovers.checks += 1;
                if let Some(old) = key
                    && old.value != *value
                    && old.expires > at + ROUNDING
                    && !old.completed
                    && !script[1..].contains(&old.value)
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
                    // Whose key it is was not seen; that the caller extends its own still counts.
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
                if held.value != caller {
                    self.owners.violated(
                        format!("{command} of the key of {} by {caller}", held.value),
                        [held.record, index],
                    );
                }
                held.expires = at + ttl;
                if let Some(grant) = held.fence.and_then(|f| self.grants.get_mut(&(group, f))) {
                    grant.expiries.push((at, held.expires));
                }
                if held.completed {
                    minimum_hold(self.view.groups[group], held, index, &mut self.holds);
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
                // Completed by whom: only a completion names somebody.
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
        at: Nanos,
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
                if view.was_lost(group, from, at) {
                    self.foreign.excused += 1;
                    return;
                }
                for lease in view.leases_of(group) {
                    let until = view.at_work_until(lease);
                    if lease.begin >= at || until <= from {
                        continue;
                    }
                    if view.was_paused(lease, until) || view.was_lost_under(lease, lease, at) {
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
                if taken.is_some_and(|(_, from)| view.was_lost(group, from, at)) {
                    return;
                }
                self.foreign
                    .violated(format!("the key of the peer {value} was touched"), [index]);
            }
        }
    }

    /// I8: nobody works without a grant of the server, and so nobody begins while it is away.
    fn granted(&self) -> Verdict {
        let mut verdict = Verdict::new(
            "I8",
            "nobody works without a grant of the server: nothing begins while it is away",
        );
        for (lease, grant) in self.leases() {
            verdict.checks += 1;
            let Some(grant) = grant else {
                // What was granted while nobody watched was granted at most one ttl ago; a server
                // that is killed may take its last words with it.
                let ttl = self.view.groups[lease.group].ttl_ms * MILLI;
                let since = lease.begin.saturating_sub(ttl);
                if self
                    .blind
                    .iter()
                    .any(|&(from, to)| from <= lease.begin + SECOND && to >= since)
                {
                    verdict.excused += 1;
                } else {
                    verdict.violated(
                        format!("at work without a grant: {}", self.view.describe(lease)),
                        [lease.record],
                    );
                }
                continue;
            };
            if grant.at > lease.begin + ROUNDING {
                verdict.violated(
                    format!(
                        "at work before it was granted: {}",
                        self.view.describe(lease)
                    ),
                    [lease.record],
                );
            }
        }
        verdict
    }

    /// I2: whoever is not stopped is told, or has finished, before the server lets others in.
    fn told(&self) -> Verdict {
        let mut verdict = Verdict::new(
            "I2",
            "a holder that is not stopped has ended, or was told, before its key expires",
        );
        let mut narrowest = Nanos::MAX;
        for (lease, grant) in self.leases() {
            let Some(grant) = grant else { continue };
            let until = self.view.at_work_until(lease);
            let expires = grant.covers(until);
            verdict.checks += 1;
            if self.view.was_lost(lease.group, grant.at, until)
                || self.view.was_paused(lease, until)
            {
                verdict.excused += 1;
                continue;
            }
            if until >= expires {
                verdict.violated(
                    format!(
                        "at work {} ms after its key had expired: {}",
                        (until - expires) / MILLI,
                        self.view.describe(lease)
                    ),
                    [lease.record]
                        .into_iter()
                        .chain(lease.end.map(|(index, _)| index)),
                );
            } else if lease.told.is_some() {
                narrowest = narrowest.min(expires - until);
            }
        }
        if narrowest != Nanos::MAX {
            verdict.note = Some(format!("told at least {} ms before", narrowest / MILLI));
        }
        verdict
    }

    fn leases(&self) -> impl Iterator<Item = (&Lease, Option<&Grant>)> {
        self.view
            .leases
            .iter()
            .filter(|lease| self.view.groups[lease.group].backend == Backend::Redis)
            .map(|lease| (lease, self.grants.get(&(lease.group, lease.fence))))
    }
}

fn minimum_hold(group: &Group, key: &Key, index: usize, verdict: &mut Verdict) {
    if group.kind == Kind::Hammer {
        return;
    }
    verdict.checks += 1;
    let least = (group.interval_ms / 2).min(LONGEST_HOLD_MS) * MILLI;
    if key.expires + ROUNDING < key.set + least {
        verdict.violated(
            format!(
                "the key was there for {} ms, not {}",
                key.expires.saturating_sub(key.set) / MILLI,
                least / MILLI
            ),
            [key.record, index],
        );
    }
}

/// The ttl of `SET … PX ms`.
fn millis_of(rest: &[String]) -> Option<Nanos> {
    option(rest, "PX").map(|millis| millis * MILLI)
}

/// The ttl of `SET … EX s`.
fn seconds(rest: &[String]) -> Option<Nanos> {
    option(rest, "EX").map(|seconds| seconds * SECOND)
}

fn option(rest: &[String], name: &str) -> Option<u64> {
    let at = rest
        .iter()
        .position(|word| word.eq_ignore_ascii_case(name))?;
    rest.get(at + 1)?.parse().ok()
}

#[cfg(test)]
mod tests;
