//! What the claims of ticks make of a state, see [`step`](super::transitions::step).

use crate::delivery::Delivery;
use crate::store::answer::Claimed;
use crate::store::command::{Claim, ClaimDue};
use crate::store::holder::Holder;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::host::transitions::Transition;
use crate::store::peer::{PeerPolicy, PeerSighting, is_own_form};

// ===== impl Claim =====

impl Transition for Claim {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Claimed<u64> {
        let request = self.request;
        let wall = now.wall_ms();
        let at_most_once = request.delivery == Delivery::AtMostOnce;
        let grace = request.grace.as_millis() as u64;
        if let Some(clock) = self.terms.clock
            && wall.abs_diff(clock.local) > clock.most
        {
            return Claimed::ClockSuspect { now: wall };
        }
        let Some(mut done) = state.ticks.done else {
            return Claimed::Unregistered { now: wall };
        };
        let generation = state.ticks.generation;
        if self
            .terms
            .generation
            .is_some_and(|known| known != generation)
        {
            return Claimed::Reset { generation, done };
        }
        let is_ours = |held: &str| is_ours(held, &self.holder, &self.orphans);
        let held = state.holder.clone();
        // Ours already: the answer to an earlier call was lost, and its work has not begun.
        if let (Some(held), Some(claimed)) = (&held, state.ticks.claimed)
            && state.ticks.claimant.as_ref() == Some(held)
            && is_ours(held)
        {
            if let Some(previous) = state.ticks.previous_done
                && claimed == done
            {
                done = previous;
            }
            let attempt = state.ticks.attempt;
            if held == self.holder.as_str() {
                state.extend(self.ttl.as_millis(), now);
                return Claimed::Granted {
                    lease: state.fence,
                    tick: claimed,
                    attempt,
                    handed_over: state.ticks.handed_over,
                    done,
                };
            }
            return self.grant(state, now, process, (claimed, attempt, done));
        }
        if let Some(since) = state.ticks.paused {
            return Claimed::Paused { since };
        }
        // A replica with this schedule has come for one of its ticks, whatever becomes of it.
        let mut first = wall;
        if let Some(schedule) = &self.terms.schedule
            && let Some(seen) = state
                .ticks
                .schedules
                .iter_mut()
                .find(|seen| seen.fingerprint == *schedule)
        {
            first = seen.first;
            seen.last = seen.last.max(wall);
        }
        // On minimum hold the holder keeps out those who know no watermark; to us the lock is free.
        let busy =
            held.filter(|held| !is_ours(held) && state.ticks.completed_by.as_ref() != Some(held));
        if let Some(claimed) = state.ticks.claimed.filter(|&claimed| claimed > done) {
            if let Some(held) = busy {
                return running(state, now, held);
            }
            // Its holder died or gave it up.
            if at_most_once || wall.saturating_sub(claimed) > grace {
                return Claimed::TooLate {
                    tick: claimed,
                    done,
                };
            }
            let attempt = state.ticks.attempt;
            let counted = attempt.saturating_sub(state.ticks.handed_over);
            if self.terms.attempts.is_some_and(|most| counted >= most) {
                return Claimed::Exhausted {
                    tick: claimed,
                    done,
                };
            }
            return self.grant(state, now, process, (claimed, attempt + 1, done));
        }
        if request.tick <= done {
            // An at-most-once tick is done when it is claimed, and runs for as long as its holder
            // has the key. Its claim may be taken back.
            let settled = state.ticks.settled(busy.as_deref()).unwrap_or(done);
            return match busy {
                Some(held) if request.tick > settled => running(state, now, held),
                _ => Claimed::AlreadyDone { done: settled },
            };
        }
        if self.terms.schedule.is_some() && request.tick <= first {
            return Claimed::Unscheduled { first };
        }
        if request.tick > wall + request.max_skew.as_millis() as u64 {
            return Claimed::ClockAhead { now: wall };
        }
        if let Some(ran) = self.run_by_peer(state, now, busy.as_deref()) {
            return ran;
        }
        if wall.saturating_sub(request.tick) > grace {
            return Claimed::TooLate {
                tick: request.tick,
                done,
            };
        }
        if let Some(held) = busy {
            return running(state, now, held);
        }
        self.grant(state, now, process, (request.tick, 1, done))
    }
}

impl Claim {
    fn grant(
        &self,
        state: &mut State,
        now: Moment,
        process: &Process,
        (tick, attempt, done): (u64, u32, u64),
    ) -> Claimed<u64> {
        let fence = state.grant(&self.holder, self.ttl, now, process);
        state.retain_watermark(self.request.retain, now);
        state.ticks.claimed = Some(tick);
        state.ticks.claimant = Some(self.holder.as_str().to_owned());
        state.ticks.attempt = attempt;
        if attempt == 1 {
            state.ticks.handed_over = 0;
        }
        if self.request.delivery == Delivery::AtMostOnce && tick > done {
            state.ticks.previous_done = Some(done);
            state.ticks.done = Some(tick);
        }
        Claimed::Granted {
            lease: fence,
            tick,
            attempt,
            handed_over: state.ticks.handed_over,
            done,
        }
    }
}

impl Claim {
    /// Notes a foreign holder, and moves the watermark if it stands for a run of the tick.
    fn run_by_peer(
        &self,
        state: &mut State,
        now: Moment,
        busy: Option<&str>,
    ) -> Option<Claimed<u64>> {
        let terms = self.terms.peers?;
        let (tick, wall) = (self.request.tick, now.wall_ms());
        let (holder, ttl) = match (busy, &state.ticks.peer) {
            (Some(held), peer) if !is_own_form(held) => {
                let same = peer.as_ref().filter(|peer| peer.holder == held);
                let first = same.map_or(wall, |peer| peer.first);
                let ttl = state.ttl(now);
                state.ticks.peer = Some(PeerSighting {
                    first,
                    expires: ttl.map(|left| wall + left.as_millis() as u64),
                    tick,
                    holder: held.to_owned(),
                });
                let counts = terms.policy == PeerPolicy::Count && terms.counts(held, first);
                counts.then(|| (held.to_owned(), ttl))?
            }
            (None, Some(peer)) if state.holder.is_none() => {
                let counts = peer.tick == tick && terms.counts(&peer.holder, peer.first);
                // It has released the key if it is gone before its time.
                let released = peer.expires.is_none_or(|expires| wall < expires);
                (counts && released).then(|| (peer.holder.clone(), None))?
            }
            _ => return None,
        };
        state.ticks.done = Some(tick);
        Some(Claimed::RanByPeer { holder, ttl, tick })
    }
}

fn is_ours(held: &str, holder: &Holder, orphans: &[Holder]) -> bool {
    held == holder.as_str() || orphans.iter().any(|orphan| orphan.as_str() == held)
}

fn running(state: &State, now: Moment, holder: String) -> Claimed<u64> {
    Claimed::Running {
        holder,
        ttl: state.ttl(now),
        tick: state.ticks.claimed,
    }
}

// ===== impl ClaimDue =====

impl Transition for ClaimDue {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Claimed<u64> {
        let Some(done) = state.ticks.done else {
            let now = now.wall_ms();
            return Claimed::Unregistered { now };
        };
        let Some(tick) = state.ticks.due else {
            return Claimed::AlreadyDone { done };
        };
        let held = state.holder.clone();
        let ours = held
            .as_deref()
            .is_some_and(|held| is_ours(held, &self.holder, &self.orphans));
        let by_claimant = held.is_some() && held == state.ticks.due_claimant;
        let mut attempt = state.ticks.due_attempt;
        let handed_over = state.ticks.due_handed_over;
        if ours && by_claimant && state.held_by(&self.holder) {
            state.extend(self.ttl.as_millis(), now);
            return Claimed::Granted {
                lease: state.fence,
                tick,
                attempt,
                handed_over,
                done,
            };
        }
        if let Some(held) = held.filter(|_| !ours)
            && state.ticks.completed_by.as_ref() != Some(&held)
        {
            return Claimed::Running {
                holder: held,
                ttl: state.ttl(now),
                tick: if by_claimant {
                    Some(tick)
                } else {
                    state.ticks.claimed
                },
            };
        }
        if !(ours && by_claimant) {
            let counted = attempt.saturating_sub(handed_over);
            if self.attempts.is_some_and(|most| counted >= most) {
                state.ticks.forget_due();
                return Claimed::Exhausted { tick, done };
            }
            attempt += 1;
        }
        let fence = state.grant(&self.holder, self.ttl, now, process);
        state.retain_watermark(self.retain, now);
        state.ticks.due_attempt = attempt;
        state.ticks.due_claimant = Some(self.holder.as_str().to_owned());
        Claimed::Granted {
            lease: fence,
            tick,
            attempt,
            handed_over,
            done,
        }
    }
}
