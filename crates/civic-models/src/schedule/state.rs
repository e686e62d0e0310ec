//! What there is at one moment, while a schedule changes.

use super::job::{Job, Sight};
use super::scope::Scope;
use crate::faults::Budget;

/// All there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    /// The time, which is everyone's.
    pub now: i8,
    /// What the store knows of the job.
    pub job: Job,
    /// The replicas, by their numbers.
    pub replicas: Vec<Replica>,
    /// The faults that may still happen.
    pub left: Budget,
    /// When each of the two schedules was deployed.
    pub deployed: [Option<i8>; 2],
    /// What became of each instant of either schedule.
    pub instants: Vec<Instant>,
}

/// A replica with its schedule.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Replica {
    /// The number of its schedule.
    pub schedule: u8,
    /// When it has looked at the store last.
    pub looked: i8,
    /// Whether its work runs.
    pub runs: bool,
}

/// What became of an instant.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Instant {
    /// When it is.
    pub at: i8,
    /// How often it was begun.
    pub begun: u8,
    /// Whether its run was recorded.
    pub finished: bool,
    /// Whether it was reported as missed.
    pub missed: bool,
    /// Whether it was passed over although it was begun.
    pub dropped: bool,
    /// Whether a replica with its schedule was there when it was due.
    pub wanted: bool,
    /// Whether it was touched although its schedule was deployed later.
    pub phantom: bool,
}

// ===== impl State =====

impl State {
    pub(super) fn new(scope: &Scope) -> Self {
        let sight = Sight {
            schedule: 0,
            first: scope.done,
            last: scope.start - 1,
        };
        let mut instants: Vec<i8> = scope.old.iter().chain(scope.new).copied().collect();
        instants.sort_unstable();
        instants.dedup();
        let instant = |at| Instant {
            at,
            begun: 0,
            finished: false,
            missed: false,
            dropped: false,
            wanted: false,
            phantom: false,
        };
        Self {
            now: scope.start,
            job: Job {
                done: scope.done,
                claim: None,
                sights: scope.seen_before.then_some(sight).into_iter().collect(),
            },
            replicas: (0..scope.replicas)
                .map(|_| Replica {
                    schedule: 0,
                    looked: scope.start - 1,
                    runs: false,
                })
                .collect(),
            left: scope.budget,
            deployed: [Some(scope.done), None],
            instants: instants.into_iter().map(instant).collect(),
        }
    }

    /// Whether an instant belongs to a schedule that was deployed before it.
    fn is_known(&self, scope: &Scope, at: i8) -> bool {
        [0, 1].into_iter().any(|schedule| {
            let deployed = self.deployed[usize::from(schedule)];
            scope.instants(schedule).contains(&at) && deployed.is_some_and(|since| since < at)
        })
    }

    /// Notes what became of an instant.
    pub(super) fn touch(&mut self, scope: &Scope, at: i8, note: impl FnOnce(&mut Instant)) {
        let phantom = !self.is_known(scope, at);
        if let Some(instant) = self.instants.iter_mut().find(|instant| instant.at == at) {
            note(instant);
            instant.phantom |= phantom;
        }
    }

    /// A replica with this schedule is there: what was due since its deployment is to be run, or
    /// to be reported.
    pub(super) fn want(&mut self, scope: &Scope, schedule: u8) {
        let (now, deployed) = (self.now, self.deployed[usize::from(schedule)]);
        let own = scope.instants(schedule);
        for instant in &mut self.instants {
            let due = own.contains(&instant.at) && instant.at <= now;
            instant.wanted |= due && deployed.is_some_and(|since| since < instant.at);
        }
    }
}
