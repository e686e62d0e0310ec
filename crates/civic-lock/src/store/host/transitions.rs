//! What each operation makes of a state.

use crate::delivery::Delivery;
use crate::store::answer::Claimed;
use crate::store::holder::Holder;
use crate::store::host::files::Alive;
use crate::store::host::now::Now;
use crate::store::host::state::State;
use crate::store::request::ClaimRequest;
use crate::timing::Ttl;

/// What a transition leaves behind.
pub(super) enum Write {
    /// The state as it was.
    Keep,
    /// A new state; it may be lost with the machine.
    Replace,
    /// A new state that must survive the machine: it says which ticks are done.
    Sync,
}

/// How many movements of a watermark over missed ticks are remembered.
pub(super) const MARKS_KEPT: usize = 16;

/// The same decision, in the same order, as `claim.lua`.
pub(super) fn claim(
    state: &mut State,
    now: Now,
    alive: &Alive,
    holder: &Holder,
    ttl: Ttl,
    request: ClaimRequest,
    abandoned: &[Holder],
) -> (Write, Claimed) {
    let wall = now.wall_ms();
    let at_most_once = request.delivery == Delivery::AtMostOnce;
    let grace = request.grace.as_millis() as u64;
    let Some(mut done) = state.done else {
        return (Write::Keep, Claimed::Unregistered { now: wall });
    };
    let ours = |held: &str| {
        held == holder.as_str() || abandoned.iter().any(|value| value.as_str() == held)
    };
    let take = |state: &mut State, tick: u64, attempt: u32, done: u64| {
        let fence = state.take(holder, ttl, now, alive);
        state.retain(request.retain, now);
        state.claimed = Some(tick);
        state.claimant = Some(holder.as_str().to_owned());
        state.attempt = attempt;
        if at_most_once && tick > done {
            state.prev = Some(done);
            state.done = Some(tick);
        }
        let claimed = Claimed::Claimed {
            tick,
            fence,
            attempt,
            done,
        };
        (Write::Sync, claimed)
    };
    let too_late = |tick: u64| (Write::Keep, Claimed::TooLate { tick, done });

    let held = state.holder.clone();
    // Mine already: the answer to an earlier call was lost, and its work has not begun.
    if let (Some(held), Some(claimed)) = (&held, state.claimed)
        && state.claimant.as_ref() == Some(held)
        && ours(held)
    {
        if let Some(prev) = state.prev
            && claimed == done
        {
            done = prev;
        }
        if held == holder.as_str() {
            state.extend(ttl.as_millis(), now);
            let (fence, attempt) = (state.fence, state.attempt);
            let claimed = Claimed::Claimed {
                tick: claimed,
                fence,
                attempt,
                done,
            };
            return (Write::Replace, claimed);
        }
        let attempt = state.attempt;
        return take(state, claimed, attempt, done);
    }
    // On minimum hold the holder is there for those who know no watermark; to us it is free.
    let busy = held.filter(|held| !ours(held) && state.by.as_ref() != Some(held));
    let running = |state: &State, holder: String| {
        let running = Claimed::Running {
            holder,
            ttl: state.ttl(now),
            tick: state.claimed,
        };
        (Write::Keep, running)
    };
    if let Some(claimed) = state.claimed.filter(|&claimed| claimed > done) {
        if let Some(held) = busy {
            return running(state, held);
        }
        // Its holder died or gave it up.
        if at_most_once || wall.saturating_sub(claimed) > grace {
            return too_late(claimed);
        }
        let attempt = state.attempt + 1;
        return take(state, claimed, attempt, done);
    }
    if request.tick <= done {
        return (Write::Keep, Claimed::AlreadyDone { done });
    }
    if request.tick > wall + request.max_skew.as_millis() as u64 {
        return (Write::Keep, Claimed::ClockAhead { now: wall });
    }
    if wall.saturating_sub(request.tick) > grace {
        return too_late(request.tick);
    }
    if let Some(held) = busy {
        return running(state, held);
    }
    take(state, request.tick, 1, done)
}
