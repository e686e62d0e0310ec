//! What may happen next.

use super::scope::{RENEW, Scope, TIMEOUT};
use super::state::{Caller, Holding, State, Write};
use crate::faults::Fault;
use crate::rules::Rules;
use crate::server::{Fate, Lane};
use crate::store::{Holder, process_name};

/// One step of the model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// One unit of time passes.
    Pass,
    /// A caller does something.
    Caller {
        /// The caller's number.
        caller: u8,
        /// The number of the caller's process.
        process: u8,
        /// What it does.
        step: Step,
    },
    /// A process takes back the first value that it has given up.
    Undo(u8, Fate),
    /// It gets no answer to that.
    UndoTimesOut(u8),
    /// A command that was stuck reaches the server.
    Arrive(u8),
    /// A reply that was stuck reaches its caller.
    Deliver(u8),
    /// A reply is taken for the answer to another command of the process.
    Misdeliver(u8, Lane),
    /// A process is killed, and another one starts in its place.
    Crash(u8),
    /// A process is stopped.
    Pause(u8),
    /// A process goes on.
    Resume(u8),
    /// The server stands still.
    Freeze,
    /// The server goes on.
    Thaw,
    /// The server's clock is set back by one unit, or forward.
    SetClock(i8),
    /// The server comes back empty.
    Lose,
    /// A replica copies the server's keys.
    Copy,
    /// The replica becomes the server; its clock is ahead by this much.
    FailOver(i8),
}

/// What a caller does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// Takes the lock.
    Acquire(Fate),
    /// Extends its lease.
    Renew(Fate),
    /// Asks its lease before a write.
    Check,
    /// Writes to the resource.
    Write,
    /// Gives the lock back, or repeats that.
    Release(Fate),
    /// Gets no answer.
    TimeOut,
}

/// Adds every step that is possible.
pub(super) fn list(scope: &Scope, rules: Rules, state: &State, actions: &mut Vec<Action>) {
    if state.now < scope.horizon && !state.is_urgent(rules) {
        actions.push(Action::Pass);
    }
    for (index, process) in scope.callers.iter().enumerate() {
        if !state.processes[usize::from(*process)].paused {
            of_caller(scope, rules, state, index, actions);
        }
    }
    for (process, it) in (0u8..).zip(&state.processes) {
        if it.paused {
            actions.push(Action::Resume(process));
            continue;
        }
        match it.undoing {
            Some(sent) if state.now >= sent + TIMEOUT => {
                actions.push(Action::UndoTimesOut(process))
            }
            None if !it.orphans.is_empty() => {
                fates(state).for_each(|fate| actions.push(Action::Undo(process, fate)));
            }
            _ => {}
        }
        if state.left.has(Fault::Crash) && it.next > it.first {
            actions.push(Action::Crash(process));
        }
        if state.left.has(Fault::Pause) && it.next > it.first {
            actions.push(Action::Pause(process));
        }
    }
    on_the_wire(scope, state, actions);
    of_the_server(rules, state, actions);
}

fn of_caller(scope: &Scope, rules: Rules, state: &State, index: usize, actions: &mut Vec<Action>) {
    let process = scope.callers[index];
    let mut push = |step| {
        actions.push(Action::Caller {
            caller: index as u8,
            process,
            step,
        });
    };
    let is_over = |sent: i8| state.now >= sent + TIMEOUT;
    match &state.callers[index] {
        Caller::Idle if state.acquisitions[index] > 0 => {
            fates(state).for_each(|fate| push(Step::Acquire(fate)));
            if state.left.has(Fault::Refuse) {
                push(Step::Acquire(Fate::Refused));
            }
        }
        Caller::Idle => {}
        Caller::Acquiring { sent, .. } => {
            if is_over(*sent) {
                push(Step::TimeOut);
            }
        }
        Caller::Holding(holding) => {
            let Holding {
                confirmed,
                renewing,
                write,
                ..
            } = holding;
            let sure = holding.believes(state.now, rules);
            match renewing {
                Some(sent) if is_over(*sent) => push(Step::TimeOut),
                None if sure && state.now >= *confirmed + RENEW => {
                    fates(state).for_each(|fate| push(Step::Renew(fate)));
                }
                _ => {}
            }
            match write {
                Write::None if sure && scope.writes => push(Step::Check),
                Write::Checked => push(Step::Write),
                _ => {}
            }
            fates(state).for_each(|fate| push(Step::Release(fate)));
        }
        Caller::Ending { sent: None, .. } => {
            fates(state).for_each(|fate| push(Step::Release(fate)));
        }
        Caller::Ending {
            sent: Some(sent), ..
        } => {
            if is_over(*sent) {
                push(Step::TimeOut);
            }
        }
    }
}

/// How a command may fare now.
fn fates(state: &State) -> impl Iterator<Item = Fate> + use<> {
    let (frozen, delay) = (state.server.frozen, state.left.has(Fault::Delay));
    [
        (Fate::Answered, !frozen),
        (Fate::Stuck, frozen || delay),
        (Fate::ReplyStuck, !frozen && delay),
    ]
    .into_iter()
    .filter_map(|(fate, possible)| possible.then_some(fate))
}

fn on_the_wire(scope: &Scope, state: &State, actions: &mut Vec<Action>) {
    for (index, message) in (0u8..).zip(&state.server.wire) {
        if message.reply.is_none() {
            if !state.server.frozen {
                actions.push(Action::Arrive(index));
            }
            continue;
        }
        let process = message.from.process;
        if state.processes[usize::from(process)].paused {
            continue;
        }
        let callers = (0u8..).zip(scope.callers);
        let lanes = callers
            .filter(|(_, of)| **of == process)
            .map(|(caller, _)| Lane { process, caller })
            .chain([Lane {
                process,
                caller: Lane::UNDO,
            }]);
        for lane in lanes {
            let Some(awaited) = state.awaited(lane) else {
                continue;
            };
            if lane == message.from && awaited.is(message) {
                actions.push(Action::Deliver(index));
            } else if state.left.has(Fault::Misdeliver) {
                actions.push(Action::Misdeliver(index, lane));
            }
        }
    }
}

fn of_the_server(rules: Rules, state: &State, actions: &mut Vec<Action>) {
    if state.server.frozen {
        if state.server.may_return(state.now, rules) {
            actions.push(Action::Thaw);
        }
        return;
    }
    if state.left.has(Fault::Freeze) {
        actions.push(Action::Freeze);
    }
    if state.left.has(Fault::ClockBack) {
        actions.push(Action::SetClock(-1));
    }
    if state.left.has(Fault::ClockForward) {
        actions.push(Action::SetClock(1));
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
    let next = |process: u8| {
        Holder {
            process,
            nth: state.processes[usize::from(process)].next,
        }
        .to_string()
    };
    let holder = |caller: u8| {
        let holder = state.callers[usize::from(caller)].holder();
        holder.map_or_else(String::new, |holder| holder.to_string())
    };
    let message = |index: u8| {
        let message = &state.server.wire[usize::from(index)];
        message.command.to_string()
    };
    match action {
        Action::Pass => format!("time passes: it is {}", state.now + 1),
        Action::Caller {
            caller,
            process,
            step,
        } => match step {
            Step::Acquire(fate) => {
                let letter = process_name(process);
                format!("{letter} acquires as {}{}", next(process), fate.suffix())
            }
            Step::Renew(fate) => format!("{} renews{}", holder(caller), fate.suffix()),
            Step::Check => format!("{} asks its lease before a write: yes", holder(caller)),
            Step::Write => format!("{} writes", holder(caller)),
            Step::Release(fate) => format!("{} releases{}", holder(caller), fate.suffix()),
            Step::TimeOut => format!("{} gets no answer", holder(caller)),
        },
        Action::Undo(process, fate) => {
            let value = state.processes[usize::from(process)].orphans[0].0;
            format!(
                "{} takes {value} back{}",
                process_name(process),
                fate.suffix()
            )
        }
        Action::UndoTimesOut(process) => {
            format!("{} gets no answer to a take-back", process_name(process))
        }
        Action::Arrive(index) => format!("the server carries out {}", message(index)),
        Action::Deliver(index) => format!("the reply to {} arrives", message(index)),
        Action::Misdeliver(index, lane) => {
            let other = state
                .awaited(lane)
                .map_or_else(String::new, |it| it.to_string());
            format!(
                "the reply to {} is taken for that to {other}",
                message(index)
            )
        }
        Action::Crash(process) => format!("{} is killed and replaced", process_name(process)),
        Action::Pause(process) => format!("{} is stopped (SIGSTOP)", process_name(process)),
        Action::Resume(process) => format!("{} goes on", process_name(process)),
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
