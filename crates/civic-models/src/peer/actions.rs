//! What may happen next, beside a Node peer.

use super::scope::{HOLD, SETTINGS, Scope, WORK};
use super::state::{OPERATOR, Running, State, count};
use crate::faults::Fault;
use crate::rules::{Rule, Rules};
use crate::store::{Answer, Command, Held, Holder, process_name};

/// One step of the model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// One unit of time passes.
    Pass,
    /// A replica of ours claims its next tick.
    Claim(u8),
    /// A replica's work is done, and its tick is recorded.
    Finish(u8),
    /// The Node peer looks at the key for this tick.
    NodeTakes(i8),
    /// The Node peer's work is done.
    NodeReleases,
    /// The Node peer is killed; its key stays until its ttl is over.
    NodeDies,
}

/// Adds every step that is possible.
pub(super) fn list(scope: &Scope, rules: Rules, state: &State, actions: &mut Vec<Action>) {
    let mut urgent = false;
    for (process, replica) in (0u8..).zip(&state.replicas) {
        if state.is_due(scope, replica) {
            urgent = true;
            actions.push(Action::Claim(process));
        }
        if let Some(running) = replica.running {
            urgent |= state.now >= running.began + WORK;
            actions.push(Action::Finish(process));
        }
    }
    if let Some(tick) = state.node_due(scope) {
        urgent = true;
        actions.push(Action::NodeTakes(tick));
    }
    if let Some(running) = state.node.running {
        let (mut shortest, longest) = scope.node_work;
        if !rules.follow(Rule::PeerRunsOutlastTheClocks) {
            shortest = 0;
        }
        urgent |= state.now >= running.began + longest;
        if state.now >= running.began + shortest {
            actions.push(Action::NodeReleases);
        }
        if state.left.has(Fault::Crash) {
            actions.push(Action::NodeDies);
        }
    }
    if state.now < scope.horizon && !urgent {
        actions.push(Action::Pass);
    }
}

/// Takes one step.
pub(super) fn apply(state: &mut State, scope: &Scope, rules: Rules, action: Action) {
    match action {
        Action::Pass => {
            state.now += 1;
            state.store.expire(state.now, rules);
            operate(state, scope);
        }
        Action::Claim(process) => claim(state, scope, rules, process),
        Action::Finish(process) => finish(state, rules, process),
        Action::NodeTakes(tick) => state.node_takes(scope, rules, tick),
        Action::NodeReleases => state.node_releases(),
        Action::NodeDies => {
            state.left.spend(Fault::Crash);
            state.node.running = None;
        }
    }
}

/// The operator takes the plain lock if it is free, and gives it back on time.
fn operate(state: &mut State, scope: &Scope) {
    let Some((from, long)) = scope.operator else {
        return;
    };
    if state.now == from && state.store.key.is_none() {
        let holder = Holder {
            process: OPERATOR,
            nth: 0,
        };
        state.store.key = Some(Held {
            holder,
            expires: Some(state.now + long),
        });
    }
}

fn claim(state: &mut State, scope: &Scope, rules: Rules, process: u8) {
    let index = usize::from(process);
    let known = state.replicas[index].known;
    let Some(tick) = scope.next_after(known) else {
        return;
    };
    let holder = Holder {
        process,
        nth: state.replicas[index].next,
    };
    let answer = state.claim(scope, rules, holder, tick);
    let (now, replica) = (state.now, &mut state.replicas[index]);
    replica.next += 1;
    match answer {
        Answer::Claimed { tick, .. } => {
            replica.running = Some(Running {
                holder,
                tick,
                began: now,
            });
            count(scope, &mut state.ours, tick);
        }
        Answer::AlreadyDone(done) => replica.known = known.max(done),
        Answer::TooLate { tick, done } => {
            let command = Command::Miss(holder, done, tick);
            let answer = state.store.step(now, &command, &SETTINGS, rules);
            if answer == Answer::Marked
                && let Some(at) = scope.ticks.iter().position(|other| *other == tick)
            {
                state.missed[at] = true;
            }
            replica.rests_until = now + i8::from(answer != Answer::Marked);
        }
        _ => replica.rests_until = now + 1,
    }
}

fn finish(state: &mut State, rules: Rules, process: u8) {
    let (now, replica) = (state.now, &mut state.replicas[usize::from(process)]);
    let Some(running) = replica.running.take() else {
        return;
    };
    let hold = if rules.follow(Rule::MinimumHold) {
        (HOLD - (now - running.began)).max(0)
    } else {
        0
    };
    let command = Command::Complete(running.holder, running.tick, hold);
    if state.store.step(now, &command, &SETTINGS, rules) == Answer::Ours {
        replica.known = replica.known.max(running.tick);
    }
}

/// One line of a printed path.
pub(super) fn describe(state: &State, action: Action) -> String {
    match action {
        Action::Pass => format!("time passes: it is {}", state.now + 1),
        Action::Claim(process) => {
            let replica = &state.replicas[usize::from(process)];
            format!(
                "{}, whose clock is {:+}, claims its next tick after {}",
                process_name(process),
                replica.skew,
                replica.known
            )
        }
        Action::Finish(process) => {
            format!("{} has run its tick, and records it", process_name(process))
        }
        Action::NodeTakes(tick) => format!(
            "the Node peer, whose clock is {:+}, looks at the key for tick {tick}: {}",
            state.node.skew,
            if state.store.key.is_some() {
                "busy"
            } else {
                "it runs"
            }
        ),
        Action::NodeReleases => "the Node peer is done".to_owned(),
        Action::NodeDies => "the Node peer is killed".to_owned(),
    }
}
