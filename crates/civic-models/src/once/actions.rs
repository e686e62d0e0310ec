//! What may happen next in `once`.

use super::scope::{RENEW, Scope, TIMEOUT};
use super::state::{Message, State, Work};
use crate::faults::Fault;
use crate::server::Fate;
use crate::store::process_name;

/// One step of the model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// One unit of time passes.
    Pass,
    /// A process begins the execution.
    Begin(u8, Fate),
    /// A process extends its lease.
    Renew(u8, Fate),
    /// The work has its effect.
    Effect(u8),
    /// The work returns, and the result is recorded.
    Finish(u8, Fate),
    /// The work returns an error before it had an effect.
    Fail(u8, Fate),
    /// A process is told that its lease is lost.
    Drop(u8),
    /// A process gets no answer.
    TimeOut(u8),
    /// A command that was stuck reaches the store.
    Arrive(u8),
    /// A reply that was stuck reaches its process.
    Deliver(u8),
    /// A process is killed, and another one starts in its place.
    Crash(u8),
    /// A process is stopped (SIGSTOP).
    Pause(u8),
    /// A process goes on.
    Resume(u8),
    /// An operator looks, and sees a doubt.
    Look,
    /// An operator says what became of the attempt that was seen. The answer may be lost, and then
    /// it is said again later.
    Resolve(Fate),
}

/// Adds every step that is possible.
pub(super) fn list(scope: &Scope, state: &State, actions: &mut Vec<Action>) {
    if state.now < scope.horizon && !state.is_urgent(scope) {
        actions.push(Action::Pass);
    }
    for number in 0..scope.processes {
        of_process(scope, state, number, actions);
    }
    of_operator(scope, state, actions);
    for (index, message) in (0u8..).zip(&state.wire) {
        if message.reply.is_none() {
            actions.push(Action::Arrive(index));
        } else if !state.processes[usize::from(message.process)].paused
            && is_awaited(state, message)
        {
            actions.push(Action::Deliver(index));
        }
    }
}

/// An operator makes sure that the holder is gone for good.
fn of_operator(scope: &Scope, state: &State, actions: &mut Vec<Action>) {
    if state.seen.is_some() {
        actions.push(Action::Resolve(Fate::Answered));
        if state.now <= scope.last_fault && state.left.has(Fault::Delay) {
            actions.push(Action::Resolve(Fate::ReplyStuck));
        }
    } else if state.looks > 0
        && state.record.is_in_doubt(state.now, scope.delivery)
        && state
            .record
            .holder
            .is_some_and(|holder| !state.lives(holder))
    {
        actions.push(Action::Look);
    }
}

/// Whether a message belongs to the command that its process waits for.
pub(super) fn is_awaited(state: &State, message: &Message) -> bool {
    state.awaited(message.process) == Some((message.command, message.sent))
}

fn of_process(scope: &Scope, state: &State, number: u8, actions: &mut Vec<Action>) {
    let process = &state.processes[usize::from(number)];
    let faults = state.now <= scope.last_fault;
    let may = |fault: Fault| faults && state.left.has(fault);
    if process.paused {
        actions.push(Action::Resume(number));
        return;
    }
    if process.next > 0 && process.work != Work::Over {
        if may(Fault::Crash) {
            actions.push(Action::Crash(number));
        }
        if may(Fault::Pause) {
            actions.push(Action::Pause(number));
        }
    }
    if let Some((_, sent)) = state.awaited(number)
        && state.now >= sent + TIMEOUT
    {
        actions.push(Action::TimeOut(number));
    }
    let mut send = |action: fn(u8, Fate) -> Action| {
        actions.push(action(number, Fate::Answered));
        if may(Fault::Delay) {
            actions.push(action(number, Fate::Stuck));
            actions.push(action(number, Fate::ReplyStuck));
        }
    };
    match process.work {
        Work::Wanted if state.now >= process.rests_until => send(Action::Begin),
        Work::Unrecorded(_) => send(Action::Finish),
        Work::Running(run) => {
            if run.believes(state.now) {
                if run.renewing.is_none() && state.now >= run.confirmed + RENEW {
                    send(Action::Renew);
                }
                if run.effect {
                    send(Action::Finish);
                } else if may(Fault::Fail) {
                    actions.push(Action::Fail(number, Fate::Answered));
                }
            }
            // It asked its lease some time ago, and may do the effect even if that is lost by now.
            if !run.effect {
                actions.push(Action::Effect(number));
            }
            if !run.believes(state.now) {
                actions.push(Action::Drop(number));
                // It does not know yet that it is too late.
                if run.effect {
                    actions.push(Action::Finish(number, Fate::Answered));
                } else if may(Fault::Fail) {
                    actions.push(Action::Fail(number, Fate::Answered));
                }
            }
        }
        _ => {}
    }
}

/// One line of a printed path.
pub(super) fn describe(state: &State, action: Action) -> String {
    let name = process_name;
    let message = |index: u8| {
        let Message {
            process, command, ..
        } = state.wire[usize::from(index)];
        format!("{}'s {command:?}", name(process))
    };
    match action {
        Action::Pass => format!("time passes: it is {}", state.now + 1),
        Action::Begin(process, fate) => {
            format!("{} begins, if it may{}", name(process), fate.suffix())
        }
        Action::Renew(process, fate) => format!("{} renews{}", name(process), fate.suffix()),
        Action::Effect(process) => format!("{}'s work has its effect", name(process)),
        Action::Finish(process, fate) => {
            format!("{} records its result{}", name(process), fate.suffix())
        }
        Action::Fail(process, fate) => {
            format!("{}'s work returns an error{}", name(process), fate.suffix())
        }
        Action::Drop(process) => format!("{} is told that its lease is lost", name(process)),
        Action::TimeOut(process) => format!("{} gets no answer", name(process)),
        Action::Arrive(index) => format!("the store carries out {}", message(index)),
        Action::Deliver(index) => format!("the reply to {} arrives", message(index)),
        Action::Crash(process) => format!("{} is killed and replaced", name(process)),
        Action::Pause(process) => format!("{} is stopped (SIGSTOP)", name(process)),
        Action::Resume(process) => format!("{} goes on", name(process)),
        Action::Look => "an operator sees a doubt".to_owned(),
        Action::Resolve(fate) => format!("the operator ends what was seen{}", fate.suffix()),
    }
}
