//! `register.lua`, `complete.lua`, `unclaim.lua`.

use super::answer::Answer;
use super::holder::Holder;
use super::keys::{Store, Ticks};
use crate::rules::{Rule, Rules};

// ===== impl Store =====

impl Store {
    pub(super) fn register(&mut self, done: i8, rules: Rules) -> Answer {
        match &mut self.ticks {
            Some(ticks) if rules.follow(Rule::RegisterKeepsTheWatermark) => {
                Answer::Registered(ticks.done)
            }
            Some(ticks) => {
                ticks.done = done;
                Answer::Registered(done)
            }
            None => {
                self.ticks = Some(Ticks::registered(done));
                Answer::Registered(done)
            }
        }
    }

    pub(super) fn complete(
        &mut self,
        now: i8,
        echo: Holder,
        tick: i8,
        hold: i8,
        rules: Rules,
    ) -> Answer {
        if self
            .ticks
            .as_ref()
            .is_some_and(|ticks| ticks.completed_by == Some(echo))
        {
            return Answer::Ours;
        }
        if !self.is_owner(echo, Rule::CompleteChecksOwner, rules) {
            return Answer::NotOurs;
        }
        let ticks = self.ticks.get_or_insert_with(|| Ticks::registered(0));
        ticks.done = ticks.done.max(tick);
        ticks.completed_by = Some(echo);
        ticks.forget_claim();
        self.let_go(now, hold);
        Answer::Ours
    }

    pub(super) fn unclaim(&mut self, echo: Holder, rules: Rules) -> Answer {
        if let Some(ticks) = &mut self.ticks
            && ticks.claimant == Some(echo)
        {
            if let Some(prev) = ticks
                .previous_done
                .filter(|_| ticks.claimed == Some(ticks.done))
                && rules.follow(Rule::UnclaimRestoresTheWatermark)
            {
                ticks.done = prev;
            }
            if ticks.attempt > 1 {
                // An earlier holder had begun: the tick stays claimed.
                ticks.attempt -= 1;
                ticks.claimant = None;
                ticks.previous_done = None;
            } else {
                ticks.forget_claim();
            }
        }
        if !self.is_owner(echo, Rule::ReleaseChecksOwner, rules) {
            return Answer::NotOurs;
        }
        self.key = None;
        Answer::Ours
    }
}
