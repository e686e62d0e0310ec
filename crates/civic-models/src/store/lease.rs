//! `acquire.lua`, `renew.lua`, `release.lua`, `abandon.lua`, and `bump.lua`.

use super::answer::Answer;
use super::holder::Holder;
use super::keys::{FENCES_PER_UNIT, Held, Store};
use super::settings::Settings;
use crate::rules::{Rule, Rules};

/// Whether a key that expires `at` is gone.
pub(super) fn is_over(at: i8, now: i8, rules: Rules) -> bool {
    at <= now || !rules.follow(Rule::KeyLivesForItsTtl)
}

impl Store {
    /// Whether the key holds this value, as far as the rule asks.
    pub(super) fn is_owner(&self, holder: Holder, asked_by: Rule, rules: Rules) -> bool {
        let Some(held) = self.key else { return false };
        held.holder == holder || !rules.follow(asked_by) || !rules.follow(Rule::HoldersAreCompared)
    }

    /// Puts the value under the key.
    pub(super) fn set(&mut self, now: i8, holder: Holder, settings: &Settings, rules: Rules) {
        let expires = rules.follow(Rule::KeyHasTtl).then(|| now + settings.ttl);
        self.key = Some(Held { holder, expires });
    }

    /// The next fence: larger than the last, and never below the clock.
    pub(super) fn bump(&mut self, now: i8, rules: Rules) -> u16 {
        if rules.follow(Rule::FenceGrows) {
            let clock = u16::try_from(now).unwrap_or(0) * FENCES_PER_UNIT;
            let follows = rules.follow(Rule::FenceFollowsTheClock);
            self.fence = (self.fence + 1).max(if follows { clock } else { 0 });
        } else {
            self.fence = 1;
        }
        self.fence
    }

    pub(super) fn acquire(
        &mut self,
        now: i8,
        echo: Holder,
        orphans: &[Holder],
        settings: &Settings,
        rules: Rules,
    ) -> Answer {
        if let Some(held) = self.key {
            if held.holder == echo {
                self.set(now, echo, settings, rules);
                return Answer::Granted(self.fence);
            }
            if !orphans.contains(&held.holder) && rules.follow(Rule::HeldKeyIsBusy) {
                return Answer::Busy(held.holder);
            }
        }
        let fence = self.bump(now, rules);
        self.set(now, echo, settings, rules);
        Answer::Granted(fence)
    }

    pub(super) fn renew(
        &mut self,
        now: i8,
        echo: Holder,
        settings: &Settings,
        rules: Rules,
    ) -> Answer {
        if !rules.follow(Rule::RenewNeverSets) {
            self.set(now, echo, settings, rules);
            return Answer::Ours;
        }
        if !self.is_owner(echo, Rule::RenewChecksOwner, rules) {
            return Answer::NotOurs;
        }
        if let Some(held) = &mut self.key {
            held.expires = held.expires.map(|_| now + settings.ttl);
        }
        Answer::Ours
    }

    pub(super) fn release(&mut self, now: i8, echo: Holder, hold: i8, rules: Rules) -> Answer {
        if !self.is_owner(echo, Rule::ReleaseChecksOwner, rules) {
            return Answer::NotOurs;
        }
        self.let_go(now, hold);
        Answer::Ours
    }

    /// Deletes the key, or leaves it for the rest of its minimum hold.
    pub(super) fn let_go(&mut self, now: i8, hold: i8) {
        if hold > 0 {
            if let Some(held) = &mut self.key {
                held.expires = held.expires.map(|_| now + hold);
            }
        } else {
            self.key = None;
        }
    }

    pub(super) fn abandon(&mut self, echo: Holder, rules: Rules) -> Answer {
        if !self.is_owner(echo, Rule::ReleaseChecksOwner, rules) {
            return Answer::NotOurs;
        }
        if rules.follow(Rule::HandOverFreesTheKey) {
            self.key = None;
        }
        Answer::Ours
    }
}
