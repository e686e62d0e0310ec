//! What happened so far, as only an observer of everything can know it.

use super::scope::Scope;
use crate::store::{Delivery, Holder};

/// What became of one tick.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct TickSeen {
    /// How often it was begun.
    pub begun: u8,
    /// The largest attempt with which it was begun.
    pub attempt: u8,
    /// Its work returned.
    pub returned: bool,
    /// How often it was reported as missed, or as given up for good.
    pub missed: u8,
    /// The process that could have reported it was killed.
    pub excused: bool,
}

/// What happened so far.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Seen {
    /// What became of each tick.
    pub ticks: Vec<TickSeen>,
    /// The latest tick that was begun.
    pub latest: i8,
    /// The last holder whose hand-over was confirmed.
    pub handed: Option<Holder>,
    /// The store lost data: what it remembered may be forgotten.
    pub forgotten: bool,
    /// A tick was begun twice without a fault.
    pub not_once: bool,
    /// An at-most-once tick was begun twice.
    pub twice: bool,
    /// A tick was begun after it was recorded as run.
    pub again: bool,
    /// A tick was begun again without a larger attempt.
    pub same_attempt: bool,
    /// A tick was begun after a later one.
    pub disorder: bool,
    /// A tick was reported as missed that was not, or twice, or was run then.
    pub wrongly_missed: bool,
    /// A holder that had handed its tick over still kept others out.
    pub not_handed: bool,
    /// A process was kept out by a value that it had given up.
    pub blocked: bool,
    /// A tick was begun more often than its job says.
    pub too_often: bool,
}

// ===== impl Seen =====

impl Seen {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            ticks: vec![TickSeen::default(); scope.ticks.len()],
            latest: 0,
            handed: None,
            forgotten: false,
            not_once: false,
            twice: false,
            again: false,
            same_attempt: false,
            disorder: false,
            wrongly_missed: false,
            not_handed: false,
            blocked: false,
            too_often: false,
        }
    }

    pub(super) fn tick(&mut self, scope: &Scope, tick: i8) -> Option<&mut TickSeen> {
        let index = scope.ticks.iter().position(|other| *other == tick)?;
        self.ticks.get_mut(index)
    }

    /// A tick is begun.
    pub(super) fn begins(
        &mut self,
        scope: &Scope,
        tick: i8,
        attempt: u8,
        recorded: bool,
        faultless: bool,
    ) {
        let (disorder, forgotten) = (tick < self.latest, self.forgotten);
        self.latest = self.latest.max(tick);
        let Some(seen) = self.tick(scope, tick) else {
            return;
        };
        let before = *seen;
        seen.begun = (seen.begun + 1).min(7);
        seen.attempt = seen.attempt.max(attempt);
        let begun = seen.begun;
        let repeated = before.begun > 0;
        self.not_once |= repeated && faultless;
        if !forgotten {
            self.twice |= repeated && scope.settings.delivery == Delivery::AtMostOnce;
            self.again |= recorded;
            self.same_attempt |= repeated && attempt <= before.attempt;
            self.disorder |= disorder;
            self.wrongly_missed |= before.missed > 0;
            self.too_often |= scope.settings.attempts.is_some_and(|most| begun > most);
        }
    }

    /// The ticks after `from`, up to and with `to`, are reported as missed. Those that run, or
    /// whose run is recorded, have their bit set in `busy`.
    pub(super) fn missed(&mut self, scope: &Scope, (from, to): (i8, i8), now: i8, busy: u16) {
        let forgotten = self.forgotten;
        for (tick, seen) in scope.ticks.iter().zip(&mut self.ticks) {
            if *tick <= from || *tick > to {
                continue;
            }
            seen.missed = (seen.missed + 1).min(3);
            let attempts = scope.settings.attempts;
            let exhausted = attempts.is_some_and(|most| seen.attempt >= most);
            let early = now - tick <= scope.settings.grace && !exhausted;
            let busy = busy & (1 << tick) != 0;
            self.wrongly_missed |= !forgotten && (early || seen.missed > 1 || busy);
        }
    }
}

// ===== impl TickSeen =====

impl TickSeen {
    pub(super) fn is_accounted(&self, scope: &Scope) -> bool {
        let counts_when_begun = scope.settings.delivery == Delivery::AtMostOnce && self.begun > 0;
        self.returned || self.missed > 0 || self.excused || counts_when_begun
    }
}
