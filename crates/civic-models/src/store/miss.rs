//! What `miss.lua` does.

use super::answer::Answer;
use super::holder::Holder;
use super::keys::Store;
use crate::rules::{Rule, Rules};

impl Store {
    /// Moves the watermark over ticks that no replica may begin any more.
    pub(super) fn miss(&mut self, echo: Holder, from: i8, to: i8, rules: Rules) -> Answer {
        let held = self.key.map(|held| held.holder);
        let Some(ticks) = &mut self.ticks else {
            return Answer::Changed(None);
        };
        let marked = ticks.marks.iter().any(|(by, _)| *by == echo);
        if marked && rules.follow(Rule::MovementsAreRemembered) {
            return Answer::Marked;
        }
        if ticks.done != from || to <= from {
            return Answer::Changed(Some(ticks.settled(held)));
        }
        if let Some(claimed) = ticks.claimed.filter(|claimed| *claimed > from) {
            // A replica runs it, or may still take it over.
            let taken = held.is_some() && held != ticks.completed_by;
            if rules.follow(Rule::RunningTickIsNotMissed) && (claimed != to || taken) {
                return Answer::Changed(Some(ticks.settled(held)));
            }
            ticks.forget_claim();
        }
        ticks.marks.insert(0, (echo, to));
        ticks.done = to;
        Answer::Marked
    }
}
