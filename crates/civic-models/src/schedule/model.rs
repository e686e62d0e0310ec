//! The model of a changed schedule.

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::properties::{DROPPED, FORGOTTEN, PHANTOM, REPLACED, TWICE};
use super::scope::Scope;
use super::state::State;
use crate::check::{Bounded, Described, GOES_ON};
use crate::faults::{Budget, Fault};
use crate::rules::Rules;

/// A changed schedule, within one scope and with some of the rules.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleModel {
    scope: Scope,
    rules: Rules,
    properties: fn() -> Vec<Property<Self>>,
}

// ===== impl Scope =====

impl Bounded for Scope {
    type Model = ScheduleModel;

    fn name(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> String {
        format!(
            "{} replicas, schedules {:?} and {:?}, {} units of time",
            self.replicas,
            self.old,
            self.new,
            self.horizon - self.start
        )
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    fn model(self, rules: Rules) -> ScheduleModel {
        ScheduleModel {
            scope: self,
            rules,
            properties: promises,
        }
    }

    fn goals(self, rules: Rules) -> ScheduleModel {
        ScheduleModel {
            scope: self,
            rules,
            properties: goals,
        }
    }
}

// ===== impl ScheduleModel =====

impl Model for ScheduleModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.scope)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions::list(&self.scope, state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        actions::apply(&mut state, &self.scope, self.rules, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}

impl Described for ScheduleModel {
    fn describe(&self, state: &State, action: &Action) -> String {
        let said = actions::describe(&self.scope, state, *action);
        let after = self.next_state(state, *action);
        let outcome = after.and_then(|after| actions::outcome(state, &after));
        outcome.map_or(said.clone(), |outcome| format!("{said}: {outcome}"))
    }
}

fn promises() -> Vec<Property<ScheduleModel>> {
    vec![
        Property::always(PHANTOM, |_: &ScheduleModel, state: &State| {
            !state.instants.iter().any(|instant| instant.phantom)
        }),
        Property::always(FORGOTTEN, |model: &ScheduleModel, state: &State| {
            let mut instants = state.instants.iter();
            state.now < model.scope.horizon
                || instants.all(|it| !it.wanted || it.missed || it.finished)
        }),
        Property::always(DROPPED, |_: &ScheduleModel, state: &State| {
            !state.instants.iter().any(|instant| instant.dropped)
        }),
        Property::always(TWICE, |model: &ScheduleModel, state: &State| {
            let crashes = model.scope.budget.count(Fault::Crash);
            state.left.count(Fault::Crash) < crashes
                || state.left.total() == 0
                || state.instants.iter().all(|instant| instant.begun <= 1)
        }),
        Property::always(GOES_ON, |model: &ScheduleModel, state: &State| {
            let mut actions = Vec::new();
            actions::list(&model.scope, state, &mut actions);
            !actions.is_empty() || state.now == model.scope.horizon
        }),
    ]
}

fn goals() -> Vec<Property<ScheduleModel>> {
    vec![Property::sometimes(
        REPLACED,
        |model: &ScheduleModel, state: &State| {
            let (old, new) = (model.scope.old, model.scope.new);
            let begun = state.instants.iter().filter(|instant| instant.begun > 0);
            let mut begun = begun.map(|instant| instant.at);
            begun.any(|at| new.contains(&at) && (old == new || !old.contains(&at)))
        },
    )]
}
