//! One step of the store.

use super::answer::Answer;
use super::command::Command;
use super::keys::{Held, Store};
use super::lease::is_over;
use super::settings::Settings;
use crate::rules::Rules;

// ===== impl Store =====

impl Store {
    /// Forgets a key whose time is over.
    pub fn expire(&mut self, now: i8, rules: Rules) {
        let over = |held: &Held| held.expires.is_some_and(|at| is_over(at, now, rules));
        if self.key.as_ref().is_some_and(over) {
            self.key = None;
        }
    }

    /// Runs one script at `now`, by the server's clock.
    pub fn step(
        &mut self,
        now: i8,
        command: &Command,
        settings: &Settings,
        rules: Rules,
    ) -> Answer {
        self.expire(now, rules);
        match command {
            Command::Acquire(holder, orphans) => {
                self.acquire(now, *holder, orphans, settings, rules)
            }
            Command::Renew(holder) => self.renew(now, *holder, settings, rules),
            Command::Release(holder, hold) => self.release(now, *holder, *hold, rules),
            Command::Claim(holder, tick, orphans) => {
                self.claim(now, *holder, *tick, orphans, settings, rules)
            }
            Command::Complete(holder, tick, hold) => {
                self.complete(now, *holder, *tick, *hold, rules)
            }
            Command::Abandon(holder) => self.abandon(*holder, rules),
            Command::Unclaim(holder) => self.unclaim(*holder, rules),
            Command::Miss(by, from, to) => self.miss(*by, *from, *to, rules),
            Command::Register(done) => self.register(*done, rules),
            Command::Peek => {
                let held = self.key.map(|held| held.holder);
                let ticks = self.ticks.as_ref();
                Answer::Peeked(ticks.map(|ticks| ticks.settled(held)))
            }
        }
    }
}
