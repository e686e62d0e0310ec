//! What the store knows of the job, and what a look at it does.

use super::scope::{Scope, TTL};
use crate::rules::{Rule, Rules};

/// The job's hash and key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Job {
    /// The watermark as it is.
    pub done: i8,
    /// The claim of a tick.
    pub claim: Option<Claim>,
    /// The schedules that were seen.
    pub sights: Vec<Sight>,
}

/// A tick that is claimed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Claim {
    /// The tick that it is about.
    pub tick: i8,
    /// The replica that runs it; none once it was killed.
    pub replica: Option<u8>,
    /// When the key of a killed holder is gone.
    pub expires: i8,
}

/// A schedule as the store knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sight {
    /// The number of the schedule.
    pub schedule: u8,
    /// Since when it is known.
    pub first: i8,
    /// When it was seen last.
    pub last: i8,
}

/// What a look at the store comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// Nothing is due.
    Nothing,
    /// Another replica runs a tick.
    Busy,
    /// The tick is the replica's.
    Claimed(i8),
    /// The tick is past its grace, and given up.
    Missed(i8),
}

// ===== impl Job =====

impl Job {
    /// Notes that a schedule was seen, and says since when it is known.
    pub(super) fn see(&mut self, scope: &Scope, rules: Rules, schedule: u8, now: i8) -> i8 {
        if !rules.follow(Rule::SilentScheduleIsKept) {
            self.sights
                .retain(|sight| now - sight.last <= scope.silence);
        }
        if let Some(sight) = self.sights.iter_mut().find(|it| it.schedule == schedule) {
            sight.last = now;
            return sight.first;
        }
        let is_first = self.sights.is_empty() && !scope.seen_before;
        let from_watermark = is_first && rules.follow(Rule::FirstScheduleBeginsAtTheWatermark);
        let first = if from_watermark { self.done } else { now };
        // A silent schedule gives way when another one is seen.
        self.sights
            .retain(|sight| now - sight.last <= scope.silence);
        self.sights.push(Sight {
            schedule,
            first,
            last: now,
        });
        if !rules.follow(Rule::ScheduleKeepsTheWatermark) && !is_first {
            self.done = self.done.max(now);
        }
        first
    }

    /// A replica with this schedule looks at the store.
    pub(super) fn look(
        &mut self,
        scope: &Scope,
        rules: Rules,
        (replica, schedule): (u8, u8),
        now: i8,
    ) -> Look {
        let first = self.see(scope, rules, schedule, now);
        let first = if rules.follow(Rule::ScheduleBeginsAtItsFirstSight) {
            first
        } else {
            self.done
        };
        let after = self.done.max(first);
        let next = scope
            .instants(schedule)
            .iter()
            .copied()
            .find(|at| *at > after);
        let due = next.filter(|next| *next <= now);
        let open = self.claim.filter(|claim| claim.tick > self.done);
        let tick = match (open, due) {
            (Some(open), Some(due)) if !rules.follow(Rule::OpenTickComesFirst) => {
                open.tick.max(due)
            }
            (Some(open), _) => open.tick,
            (None, Some(due)) => due,
            (None, None) => return Look::Nothing,
        };
        if open.is_some_and(|open| open.replica.is_some() || now < open.expires) {
            return Look::Busy;
        }
        if now - tick > scope.grace {
            self.claim = None;
            self.done = tick;
            return Look::Missed(tick);
        }
        self.claim = Some(Claim {
            tick,
            replica: Some(replica),
            expires: 0,
        });
        Look::Claimed(tick)
    }

    /// The instants of other schedules that a claim of `tick` passes over: the watermark will be
    /// beyond them when that tick is done.
    pub(super) fn passed(&self, scope: &Scope, rules: Rules, (own, tick): (u8, i8)) -> Vec<i8> {
        if !rules.follow(Rule::PassedInstantsAreReported) {
            return Vec::new();
        }
        let of = |sight: &Sight| {
            let after = self.done.max(sight.first);
            let instants = scope.instants(sight.schedule).iter().copied();
            instants.filter(move |at| after < *at && *at < tick)
        };
        let others = self.sights.iter().filter(|sight| sight.schedule != own);
        others.flat_map(of).collect()
    }

    /// The replica's run is recorded.
    pub(super) fn finish(&mut self, replica: u8) -> Option<i8> {
        let claim = self.claim.take_if(|claim| claim.replica == Some(replica))?;
        self.done = self.done.max(claim.tick);
        Some(claim.tick)
    }

    /// The replica is killed: its key stays for a while.
    pub(super) fn orphan(&mut self, replica: u8, now: i8) {
        if let Some(claim) = &mut self.claim
            && claim.replica == Some(replica)
        {
            claim.replica = None;
            claim.expires = now + TTL;
        }
    }
}
