//! Equal futures are equal states.

use super::state::{Caller, State};
use crate::faults::Fault;
use crate::rules::{Rule, Rules};
use crate::store::{Answer, FENCES_PER_UNIT};

impl State {
    /// Forgets what cannot matter any more, so that equal futures are equal states.
    pub(super) fn tidy(&mut self, rules: Rules) {
        // The server's clock will never show less than this.
        let earliest = self.now + self.server.ahead - self.left.count(Fault::ClockBack) as i8;
        let late = rules.follow(Rule::LateCommandsDoNothing);
        let kept = self.left.has(Fault::Misdeliver);
        let mut wire = std::mem::take(&mut self.server.wire);
        wire.retain(|message| match message.reply {
            None => !(late && message.not_after < earliest),
            Some(_) => kept || self.awaited(message.from).is_some_and(|it| it.is(message)),
        });
        self.server.wire = wire;
        // A replica that takes over may have a clock that is behind.
        let behind = i8::from(self.server.copy.is_some() || self.left.has(Fault::FailOver));
        self.rank_fences(u16::try_from(earliest - behind).unwrap_or(0) * FENCES_PER_UNIT);
    }

    /// Fences below the clock matter by their order only.
    fn rank_fences(&mut self, clock: u16) {
        let mut known = Vec::with_capacity(8);
        self.each_fence(|fence| known.push(*fence));
        known.sort_unstable();
        known.dedup();
        self.each_fence(|fence| {
            if *fence < clock
                && let Ok(rank) = known.binary_search(fence)
            {
                *fence = rank as u16 + u16::from(known[0] != 0);
            }
        });
        let mut known = Vec::with_capacity(8);
        self.each_order(|order| known.push(*order));
        known.sort_unstable();
        known.dedup();
        self.each_order(|order| {
            if let Ok(rank) = known.binary_search(order) {
                *order = rank as u8;
            }
        });
    }

    fn each_fence(&mut self, mut visit: impl FnMut(&mut u16)) {
        visit(&mut self.server.store.fence);
        visit(&mut self.server.history.fence);
        visit(&mut self.resource_fence);
        if let Some(copy) = &mut self.server.copy {
            visit(&mut copy.fence);
        }
        for caller in &mut self.callers {
            if let Caller::Holding(holding) = caller {
                visit(&mut holding.fence);
            }
        }
        for message in &mut self.server.wire {
            if let Some(Answer::Granted(fence)) = message.reply.as_mut().map(|it| &mut it.answer) {
                visit(fence);
            }
        }
    }

    fn each_order(&mut self, mut visit: impl FnMut(&mut u8)) {
        visit(&mut self.server.history.acquisitions);
        visit(&mut self.resource_order);
        for caller in &mut self.callers {
            if let Caller::Holding(holding) = caller {
                visit(&mut holding.order);
            }
        }
        for message in &mut self.server.wire {
            if let Some(reply) = &mut message.reply {
                visit(&mut reply.order);
            }
        }
    }
}
