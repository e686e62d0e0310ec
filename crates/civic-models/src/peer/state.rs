//! What there is at one moment, beside a Node peer.

use super::scope::{MAX_SKEW, SETTINGS, Scope};
use crate::faults::Budget;
use crate::rules::{Rule, Rules};
use crate::store::{Answer, Command, Held, Holder, Store, Ticks};

/// The process number in the values of the Node peer.
pub const NODE: u8 = 13;
/// The process number in the value of an operator who uses this project's plain lock.
pub const OPERATOR: u8 = 14;

/// All there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    /// The true time, which is the store's as well.
    pub now: i8,
    /// The store with its keys.
    pub store: Store,
    /// Our replicas, by their numbers.
    pub replicas: Vec<Replica>,
    /// The Node peer.
    pub node: Node,
    /// The faults that may still happen.
    pub left: Budget,
    /// How often each tick was begun by us.
    pub ours: Vec<u8>,
    /// How often each tick was begun by the Node peer.
    pub theirs: Vec<u8>,
    /// Which ticks were reported as missed.
    pub missed: Vec<bool>,
}

/// One of our replicas.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Replica {
    /// How far its own clock is ahead.
    pub skew: i8,
    /// What it knows to be done.
    pub known: i8,
    /// It does not ask the store before.
    pub rests_until: i8,
    /// The number of its next value.
    pub next: u8,
    /// The run of its work, if it runs.
    pub running: Option<Running>,
}

/// A run of the work.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Running {
    /// The value under the key.
    pub holder: Holder,
    /// The tick that it is about.
    pub tick: i8,
    /// When it began.
    pub began: i8,
}

/// The Node peer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Node {
    /// How far its own clock is ahead.
    pub skew: i8,
    /// The last tick for which it has looked at the key.
    pub tried: i8,
    /// The run of its work, if it runs.
    pub running: Option<Running>,
}

// ===== impl State =====

impl State {
    pub(super) fn new(scope: &Scope, replicas: Vec<i8>, node: i8) -> Self {
        let replica = |skew| Replica {
            skew,
            known: 0,
            rests_until: 0,
            next: 0,
            running: None,
        };
        Self {
            now: 0,
            store: Store {
                ticks: Some(Ticks::registered(0)),
                ..Store::default()
            },
            replicas: replicas.into_iter().map(replica).collect(),
            node: Node {
                skew: node,
                tried: 0,
                running: None,
            },
            left: scope.budget,
            ours: vec![0; scope.ticks.len()],
            theirs: vec![0; scope.ticks.len()],
            missed: vec![false; scope.ticks.len()],
        }
    }

    /// Whether a replica's next tick is due. It goes by the store's clock where its own is behind.
    pub(super) fn is_due(&self, scope: &Scope, replica: &Replica) -> bool {
        let next = scope.next_after(replica.known);
        replica.running.is_none()
            && self.now >= replica.rests_until
            && next.is_some_and(|next| self.now + replica.skew.max(0) >= next)
    }

    /// The tick that is due by the Node peer's clock, and for which it has not looked at the key.
    pub(super) fn node_due(&self, scope: &Scope) -> Option<i8> {
        let due = scope.next_after(self.node.tried);
        due.filter(|due| self.now + self.node.skew >= *due)
    }

    /// A claim: before the script's own decisions, the value of a Node peer may stand for a run of
    /// the tick.
    pub(super) fn claim(
        &mut self,
        scope: &Scope,
        rules: Rules,
        holder: Holder,
        tick: i8,
    ) -> Answer {
        self.store.expire(self.now, rules);
        let counts = self
            .store
            .key
            .is_some_and(|held| self.stands_for_a_run(scope, rules, held.holder, tick));
        if let Some(ticks) = self
            .store
            .ticks
            .as_mut()
            .filter(|it| counts && it.done < tick)
        {
            ticks.done = tick;
            return Answer::AlreadyDone(tick);
        }
        let command = Command::Claim(holder, tick, Vec::new());
        self.store.step(self.now, &command, &SETTINGS, rules)
    }

    fn stands_for_a_run(&self, scope: &Scope, rules: Rules, held: Holder, tick: i8) -> bool {
        if !rules.follow(Rule::PeerRunsCount) {
            return false;
        }
        if held.process == OPERATOR {
            return !rules.follow(Rule::OwnFormIsNoPeer);
        }
        let stamp = held.nth as i8;
        held.process == NODE
            && (stamp >= scope.counts_from(tick) || !rules.follow(Rule::OverrunsDoNotCount))
    }

    /// `SET NX EX` as a Node service sends it.
    pub(super) fn node_takes(&mut self, scope: &Scope, rules: Rules, tick: i8) {
        self.node.tried = tick;
        self.store.expire(self.now, rules);
        if self.store.key.is_some() {
            return;
        }
        let holder = Holder {
            process: NODE,
            nth: (self.now + self.node.skew) as u8,
        };
        self.store.key = Some(Held {
            holder,
            expires: Some(self.now + scope.node_ttl),
        });
        self.node.running = Some(Running {
            holder,
            tick,
            began: self.now,
        });
        count(scope, &mut self.theirs, tick);
    }

    /// The Node peer's compare-and-delete.
    pub(super) fn node_releases(&mut self) {
        if let Some(running) = self.node.running.take()
            && self
                .store
                .key
                .is_some_and(|held| held.holder == running.holder)
        {
            self.store.key = None;
        }
    }

    /// Whether each tick was run or reported.
    pub(super) fn is_accounted(&self) -> bool {
        let begun = self.ours.iter().zip(&self.theirs).zip(&self.missed);
        begun
            .into_iter()
            .all(|((ours, theirs), missed)| *missed || *ours + *theirs > 0)
    }

    /// Every combination of clocks.
    pub(super) fn all_skews(scope: &Scope) -> Vec<Self> {
        let skews = -MAX_SKEW..=MAX_SKEW;
        let mut replicas: Vec<Vec<i8>> = vec![Vec::new()];
        for _ in 0..scope.replicas {
            let longer = replicas.iter().flat_map(|before| {
                let add = |skew| before.iter().copied().chain([skew]).collect();
                skews.clone().map(add)
            });
            replicas = longer.collect();
        }
        let nodes = |replicas: &Vec<i8>| {
            let new = |node| Self::new(scope, replicas.clone(), node);
            skews.clone().map(new).collect::<Vec<_>>()
        };
        replicas.iter().flat_map(nodes).collect()
    }
}

/// Counts one more for a tick.
pub(super) fn count(scope: &Scope, counts: &mut [u8], tick: i8) {
    if let Some(index) = scope.ticks.iter().position(|other| *other == tick) {
        counts[index] = (counts[index] + 1).min(3);
    }
}
