//! What `claim.lua` does.

use super::answer::Answer;
use super::holder::Holder;
use super::keys::Store;
use super::settings::{Delivery, Settings};
use crate::rules::{Rule, Rules};

/// The arguments of one claim.
struct Request<'a> {
    now: i8,
    echo: Holder,
    settings: &'a Settings,
    rules: Rules,
}

impl Request<'_> {
    fn is_at_most_once(&self) -> bool {
        self.settings.delivery == Delivery::AtMostOnce
    }

    fn is_past_grace(&self, tick: i8) -> bool {
        self.now - tick > self.settings.grace
    }

    /// A claim of `which` as its `nth`.
    fn take(&self, store: &mut Store, which: i8, nth: u8) -> Answer {
        let fence = store.bump(self.now, self.rules);
        if let Some(ticks) = &mut store.ticks {
            ticks.claimed = Some(which);
            ticks.claimant = Some(self.echo);
            ticks.attempt = nth;
            if self.is_at_most_once()
                && which > ticks.done
                && self.rules.follow(Rule::AtMostOnceIsDoneWhenClaimed)
                && self.rules.follow(Rule::AtMostOnceIsNotTakenOver)
            {
                ticks.previous_done = Some(ticks.done);
                ticks.done = which;
            }
        }
        store.set(self.now, self.echo, self.settings, self.rules);
        Answer::Claimed {
            tick: which,
            fence,
            attempt: nth,
        }
    }
}

impl Store {
    pub(super) fn claim(
        &mut self,
        now: i8,
        echo: Holder,
        tick: i8,
        orphans: &[Holder],
        settings: &Settings,
        rules: Rules,
    ) -> Answer {
        let request = Request {
            now,
            echo,
            settings,
            rules,
        };
        let Some(ticks) = self.ticks.clone() else {
            return Answer::Unregistered;
        };
        let held = self.key.map(|held| held.holder);
        let is_orphan = |holder: &Holder| orphans.contains(holder);
        let mut done = ticks.done;

        // Mine already, asked before anything about `done`.
        let mine = held
            .filter(|held| ticks.claimed.is_some() && ticks.claimant == Some(*held))
            .filter(|held| *held == echo || is_orphan(held));
        if rules.follow(Rule::MineIsAskedBeforeDone)
            && let (Some(held), Some(claimed)) = (mine, ticks.claimed)
        {
            if ticks.previous_done.is_some() && claimed == done {
                done = ticks.previous_done.unwrap_or(done);
            }
            if held == echo {
                self.set(now, echo, settings, rules);
                return Answer::Claimed {
                    tick: claimed,
                    fence: self.fence,
                    attempt: ticks.attempt,
                };
            }
            // `take` moves the watermark again, from where it was before the first claim.
            if let Some(ticks) = &mut self.ticks {
                ticks.done = done;
            }
            return request.take(self, claimed, ticks.attempt);
        }

        let free = held.is_none_or(|held| {
            held == echo
                || Some(held) == ticks.completed_by
                || is_orphan(&held)
                || !rules.follow(Rule::HeldKeyIsBusy)
        });
        let running = Answer::Running(held.unwrap_or(echo));

        if let Some(claimed) = ticks.claimed.filter(|claimed| *claimed > done)
            && rules.follow(Rule::OpenTickIsRemembered)
            && (claimed >= tick || rules.follow(Rule::OpenTickComesFirst))
        {
            if !free {
                return running;
            }
            let over = request.is_at_most_once() && rules.follow(Rule::AtMostOnceIsNotTakenOver);
            if over || request.is_past_grace(claimed) {
                return Answer::TooLate {
                    tick: claimed,
                    done,
                };
            }
            let bounded = rules.follow(Rule::AttemptsAreBounded);
            if settings
                .attempts
                .is_some_and(|most| bounded && ticks.attempt >= most)
            {
                return Answer::Exhausted {
                    tick: claimed,
                    done,
                };
            }
            let counted = u8::from(rules.follow(Rule::TakeoverCountsTheAttempt));
            return request.take(self, claimed, ticks.attempt + counted);
        }
        if tick <= done && rules.follow(Rule::WatermarkIsAsked) {
            // An at-most-once tick is done when it is claimed, and runs while its holder has the
            // key. Its claim may be taken back.
            let settled = ticks.settled(held.filter(|_| !free));
            if tick > settled {
                return running;
            }
            return Answer::AlreadyDone(settled);
        }
        if tick > now + settings.max_skew {
            return Answer::ClockAhead;
        }
        if request.is_past_grace(tick) {
            return Answer::TooLate { tick, done };
        }
        if !free {
            return running;
        }
        request.take(self, tick, 1)
    }
}
