//! What may happen next, while a schedule changes.

use super::job::Look;
use super::scope::Scope;
use super::state::State;
use crate::faults::Fault;
use crate::rules::Rules;
use crate::store::process_name;

/// One step of the model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// One unit of time passes.
    Pass,
    /// A replica looks at the store, and does what there is to do.
    Look(u8),
    /// A replica's work is done, and its tick is recorded.
    Finish(u8),
    /// A replica is replaced by one with the new schedule.
    Deploy(u8),
    /// A replica is killed, and started again.
    Kill(u8),
}

/// Adds every step that is possible.
pub(super) fn list(scope: &Scope, state: &State, actions: &mut Vec<Action>) {
    let down = scope.is_down(state.now);
    let faults = state.now <= scope.last_fault;
    let mut urgent = false;
    for (number, replica) in (0u8..).zip(&state.replicas) {
        if down {
            continue;
        }
        if replica.runs {
            // The work takes less than two units.
            urgent |= state.now > replica.looked;
            actions.push(Action::Finish(number));
            if faults && state.left.has(Fault::Crash) {
                actions.push(Action::Kill(number));
            }
        } else {
            if replica.looked < state.now {
                urgent = true;
                actions.push(Action::Look(number));
            }
            if faults && replica.schedule == 0 && state.left.has(Fault::Deploy) {
                actions.push(Action::Deploy(number));
            }
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
            if scope.is_down(state.now) {
                for number in 0..scope.replicas {
                    state.job.orphan(number, state.now);
                    state.replicas[usize::from(number)].runs = false;
                }
            }
        }
        Action::Look(number) => look(state, scope, rules, number),
        Action::Finish(number) => {
            state.replicas[usize::from(number)].runs = false;
            if let Some(tick) = state.job.finish(number) {
                state.touch(scope, tick, |instant| instant.finished = true);
            }
        }
        Action::Deploy(number) => {
            state.left.spend(Fault::Deploy);
            state.replicas[usize::from(number)].schedule = 1;
            state.deployed[1].get_or_insert(state.now);
            // It looks at the store as soon as it has started.
            look(state, scope, rules, number);
        }
        Action::Kill(number) => {
            state.left.spend(Fault::Crash);
            state.job.orphan(number, state.now);
            state.replicas[usize::from(number)].runs = false;
        }
    }
}

fn look(state: &mut State, scope: &Scope, rules: Rules, number: u8) {
    let (index, now) = (usize::from(number), state.now);
    let schedule = state.replicas[index].schedule;
    state.replicas[index].looked = now;
    state.want(scope, schedule);
    loop {
        match state.job.look(scope, rules, (number, schedule), now) {
            Look::Nothing | Look::Busy => return,
            Look::Claimed(tick) => {
                state.replicas[index].runs = true;
                for passed in state.job.passed(scope, rules, (schedule, tick)) {
                    state.touch(scope, passed, |instant| {
                        instant.dropped |= instant.begun > 0;
                        instant.missed = true;
                    });
                }
                state.touch(scope, tick, |instant| {
                    instant.begun = (instant.begun + 1).min(3)
                });
                return;
            }
            Look::Missed(tick) => state.touch(scope, tick, |instant| instant.missed = true),
        }
    }
}

/// What a step has come to, if that is worth telling.
pub(super) fn outcome(before: &State, after: &State) -> Option<String> {
    let claim = after.job.claim.filter(|claim| claim.replica.is_some());
    if before.job.claim != after.job.claim
        && let Some(claim) = claim
    {
        return Some(format!("it runs {}", claim.tick));
    }
    (before.job.done != after.job.done).then(|| format!("the watermark is {}", after.job.done))
}

/// One line of a printed path.
pub(super) fn describe(scope: &Scope, state: &State, action: Action) -> String {
    let schedule = |number: u8| {
        let schedule = state.replicas[usize::from(number)].schedule;
        format!("{:?}", scope.instants(schedule))
    };
    match action {
        Action::Pass if scope.is_down(state.now + 1) => {
            format!("time passes while all are down: it is {}", state.now + 1)
        }
        Action::Pass => format!("time passes: it is {}", state.now + 1),
        Action::Look(number) => format!(
            "{}, whose schedule is {}, looks at the store",
            process_name(number),
            schedule(number)
        ),
        Action::Finish(number) => {
            format!("{} has run its tick, and records it", process_name(number))
        }
        Action::Deploy(number) => format!(
            "{} is replaced by one whose schedule is {:?}, which looks at the store",
            process_name(number),
            scope.new
        ),
        Action::Kill(number) => format!("{} is killed and started again", process_name(number)),
    }
}
