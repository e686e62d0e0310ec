//! What may happen next.

use super::duty::Duty;
use super::scope::{RENEW, Scope, TIMEOUT};
use super::state::{Phase, State};
use crate::faults::Fault;
use crate::rules::Rules;
use crate::server::{Fate, Lane};
use crate::store::process_name;

/// One step of the model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// One unit of time passes.
    Pass,
    /// A replica does something.
    Replica(u8, Duty),
    /// A replica repeats a command in the background.
    Chore(u8, Fate),
    /// It gets no answer to that.
    ChoreTimesOut(u8),
    /// A command that was stuck reaches the server.
    Arrive(u8),
    /// A reply that was stuck reaches its replica.
    Deliver(u8),
    /// A replica is killed, and another one starts in its place.
    Crash(u8),
    /// A replica is stopped (SIGSTOP).
    Pause(u8),
    /// A replica goes on.
    Resume(u8),
    /// A replica is told to end (SIGTERM).
    Stop(u8),
    /// The server stands still.
    Freeze,
    /// The server goes on.
    Thaw,
    /// The server's clock is set by this much.
    SetClock(i8),
    /// The server is killed, and its data with it.
    Lose,
    /// A replica of the server copies its keys.
    Copy,
    /// The server is killed; its replica takes over, with a clock that is ahead by this much.
    FailOver(i8),
}

/// Adds every step that is possible.
pub(super) fn list(scope: Scope, rules: Rules, state: &State, actions: &mut Vec<Action>) {
    if state.now < scope.horizon && !state.is_urgent(&scope, rules) {
        actions.push(Action::Pass);
    }
    for index in 0..state.replicas.len() {
        of_replica(&scope, rules, state, index, actions);
    }
    for (index, message) in (0u8..).zip(&state.server.wire) {
        if message.reply.is_none() {
            if !state.server.frozen {
                actions.push(Action::Arrive(index));
            }
        } else if !state.replicas[usize::from(message.from.process)].paused
            && state.awaited(message.from).is_some_and(|it| it.is(message))
        {
            actions.push(Action::Deliver(index));
        }
    }
    of_the_server(&scope, rules, state, actions);
}

fn of_replica(scope: &Scope, rules: Rules, state: &State, index: usize, actions: &mut Vec<Action>) {
    let replica = &state.replicas[index];
    let process = index as u8;
    let faults = state.has_faults(scope);
    if replica.paused {
        actions.push(Action::Resume(process));
        return;
    }
    if faults && replica.next > replica.first {
        if state.left.has(Fault::Crash) {
            actions.push(Action::Crash(process));
        }
        if state.left.has(Fault::Pause) {
            actions.push(Action::Pause(process));
        }
        let busy = matches!(
            replica.phase,
            Phase::Claiming { .. } | Phase::Running(_) | Phase::Completing { .. }
        );
        if state.left.has(Fault::Stop) && busy && !replica.stopping {
            actions.push(Action::Stop(process));
        }
    }
    match replica.chore_sent {
        Some(sent) if state.now >= sent + TIMEOUT => actions.push(Action::ChoreTimesOut(process)),
        None if !replica.chores.is_empty() => {
            fates(scope, state).for_each(|fate| actions.push(Action::Chore(process, fate)));
        }
        _ => {}
    }
    let mut push = |duty| actions.push(Action::Replica(process, duty));
    let lane = Lane { process, caller: 0 };
    if let Some(awaited) = state.awaited(lane)
        && state.now >= awaited.sent + TIMEOUT
    {
        push(Duty::TimeOut);
    }
    let rested = state.now >= replica.rests_until;
    match replica.phase {
        Phase::Waiting if replica.stopping => push(Duty::Exit),
        Phase::Waiting if state.is_due(scope, rules, index) => {
            let suspect = replica.is_suspect(scope.skews[index], rules);
            fates(scope, state).for_each(|fate| {
                push(if suspect {
                    Duty::Measure(fate)
                } else {
                    Duty::Claim(fate)
                });
            });
        }
        Phase::Starting { sent: None }
        | Phase::Registering { sent: None, .. }
        | Phase::GivingUp { sent: None, .. }
            if rested =>
        {
            fates(scope, state).for_each(|fate| push(Duty::Ask(fate)));
        }
        Phase::Running(run) => {
            if !run.believes(state.now, scope, rules) {
                push(Duty::Drop);
                return;
            }
            if replica.stopping {
                fates(scope, state).for_each(|fate| push(Duty::HandOver(fate)));
                return;
            }
            if run.renewing.is_none() && state.now >= run.confirmed + RENEW {
                fates(scope, state).for_each(|fate| push(Duty::Renew(fate)));
            }
            fates(scope, state).for_each(|fate| push(Duty::Return(fate)));
            if faults && state.left.has(Fault::Fail) {
                push(Duty::Fail(Fate::Answered));
            }
        }
        _ => {}
    }
}

/// How a command may fare now.
fn fates(scope: &Scope, state: &State) -> impl Iterator<Item = Fate> + use<> {
    let frozen = state.server.frozen;
    let delay = state.has_faults(scope) && state.left.has(Fault::Delay);
    [
        (Fate::Answered, !frozen),
        (Fate::Stuck, frozen || delay),
        (Fate::ReplyStuck, !frozen && delay),
    ]
    .into_iter()
    .filter_map(|(fate, possible)| possible.then_some(fate))
}

fn of_the_server(scope: &Scope, rules: Rules, state: &State, actions: &mut Vec<Action>) {
    if state.server.frozen {
        if state.server.may_return(state.now, rules) {
            actions.push(Action::Thaw);
        }
        return;
    }
    if state.server.ahead.abs() >= scope.jump {
        actions.push(Action::SetClock(-state.server.ahead));
        return;
    }
    if !state.has_faults(scope) {
        return;
    }
    if state.left.has(Fault::Freeze) {
        actions.push(Action::Freeze);
    }
    if state.left.has(Fault::ClockBack) {
        actions.push(Action::SetClock(-scope.jump));
    }
    if state.left.has(Fault::ClockForward) {
        actions.push(Action::SetClock(scope.jump));
    }
    if state.left.has(Fault::Lose) {
        actions.push(Action::Lose);
    }
    if state.server.copy.is_some() {
        actions.extend([-1, 0, 1].map(Action::FailOver));
    } else if state.left.has(Fault::FailOver) {
        actions.push(Action::Copy);
    }
}

/// One line of a printed path.
pub(super) fn describe(state: &State, action: Action) -> String {
    let name = process_name;
    let message = |index: u8| {
        let message = &state.server.wire[usize::from(index)];
        message.command.to_string()
    };
    match action {
        Action::Pass => format!("time passes: it is {}", state.now + 1),
        Action::Replica(process, duty) => {
            let replica = &state.replicas[usize::from(process)];
            let fate = duty.fate().map_or("", Fate::suffix);
            let said = duty.describe(replica);
            format!("{} {said}{fate}", name(process))
        }
        Action::Chore(process, fate) => {
            let chore = &state.replicas[usize::from(process)].chores[0];
            format!(
                "{} repeats {}{}",
                name(process),
                chore.command,
                fate.suffix()
            )
        }
        Action::ChoreTimesOut(process) => format!("{} gets no answer to that", name(process)),
        Action::Arrive(index) => format!("the server carries out {}", message(index)),
        Action::Deliver(index) => format!("the reply to {} arrives", message(index)),
        Action::Crash(process) => format!("{} is killed and replaced", name(process)),
        Action::Pause(process) => format!("{} is stopped (SIGSTOP)", name(process)),
        Action::Resume(process) => format!("{} goes on", name(process)),
        Action::Stop(process) => format!("{} is told to end (SIGTERM)", name(process)),
        Action::Freeze => "the server stands still".to_owned(),
        Action::Thaw => "the server goes on".to_owned(),
        Action::SetClock(by) => format!("the server's clock is set by {by:+}"),
        Action::Lose => "the server is killed and its data is lost".to_owned(),
        Action::Copy => "the server's replica copies the keys".to_owned(),
        Action::FailOver(ahead) => {
            format!("the server is killed; its replica takes over, its clock is {ahead:+}")
        }
    }
}

/// What a step has come to for the replica that it concerns, if that is worth telling.
pub(super) fn outcome(before: &State, after: &State) -> Option<String> {
    let replicas = before.replicas.iter().zip(&after.replicas);
    let (was, is) = replicas
        .into_iter()
        .find(|(was, is)| was.phase != is.phase || was.known != is.known)?;
    match (was.phase, is.phase) {
        (Phase::Running(_), Phase::Running(_)) => None,
        (_, Phase::Running(run)) => Some(format!(
            "it runs tick {}, attempt {}",
            run.tick, run.attempt
        )),
        (_, Phase::GivingUp { to, .. }) => Some(format!("it is too late for tick {to}")),
        (_, Phase::Waiting) if is.known > was.known => Some(format!("tick {} is done", is.known)),
        _ => None,
    }
}
