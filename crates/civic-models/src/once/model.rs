//! The model of `once`.

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::properties::{
    CALM, COMPLETED, CONFINED, CROSSED, DONE, ERROR, FENCE, FINAL, FINISHED, ONE_EFFECT, RECORDED,
    RESOLVED, TAKEN_OVER,
};
use super::record::Phase;
use super::scope::{FOR_EVER, Scope};
use super::state::State;
use super::transitions;
use crate::check::{Bounded, Described, GOES_ON};
use crate::faults::Budget;
use crate::rules::Rules;
use crate::store::Delivery;

/// Work that is executed once, within one scope and with some of the rules.
#[derive(Clone, Copy, Debug)]
pub struct OnceModel {
    scope: Scope,
    rules: Rules,
    properties: fn() -> Vec<Property<Self>>,
}

// ===== impl Scope =====

impl Bounded for Scope {
    type Model = OnceModel;

    fn name(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> String {
        let mut bounds = format!(
            "{} processes, one key, {} units of time",
            self.processes, self.horizon
        );
        if self.others > 0 {
            bounds += ", two calls";
        }
        if self.looks > 0 {
            bounds += &format!(", an operator who looks {} times", self.looks);
        }
        if self.retain < FOR_EVER {
            bounds += &format!(", retention {}", self.retain);
        }
        bounds
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    fn model(self, rules: Rules) -> OnceModel {
        OnceModel {
            scope: self,
            rules,
            properties: promises,
        }
    }

    fn goals(self, rules: Rules) -> OnceModel {
        OnceModel {
            scope: self,
            rules,
            properties: goals,
        }
    }
}

// ===== impl OnceModel =====

impl Model for OnceModel {
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
        transitions::apply(&mut state, &self.scope, self.rules, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}

impl Described for OnceModel {
    fn describe(&self, state: &State, action: &Action) -> String {
        actions::describe(state, *action)
    }
}

fn promises() -> Vec<Property<OnceModel>> {
    vec![
        Property::always(ONE_EFFECT, |model: &OnceModel, state: &State| {
            model.scope.delivery == Delivery::AtLeastOnce || state.effects <= 1
        }),
        Property::always(FINAL, |_: &OnceModel, state: &State| !state.changed),
        Property::always(DONE, |_: &OnceModel, state: &State| !state.again),
        Property::always(FENCE, |_: &OnceModel, state: &State| !state.same_fence),
        Property::always(ERROR, |_: &OnceModel, state: &State| !state.hollow),
        Property::always(CROSSED, |_: &OnceModel, state: &State| !state.crossed),
        Property::always(CONFINED, |_: &OnceModel, state: &State| !state.foreign),
        Property::always(RESOLVED, |_: &OnceModel, state: &State| !state.unseen),
        Property::always(RECORDED, |_: &OnceModel, state: &State| !state.refused),
        Property::always(COMPLETED, |model: &OnceModel, state: &State| {
            let scope = &model.scope;
            let over = state.now == scope.horizon && !state.is_urgent(scope);
            !over || state.is_completed(scope)
        }),
        Property::always(CALM, |model: &OnceModel, state: &State| {
            let scope = &model.scope;
            let doubt = state.record.is_in_doubt(state.now, scope.delivery);
            state.left != scope.budget || !doubt
        }),
        Property::always(GOES_ON, |model: &OnceModel, state: &State| {
            let mut actions = Vec::new();
            actions::list(&model.scope, state, &mut actions);
            !actions.is_empty() || state.now == model.scope.horizon
        }),
    ]
}

fn goals() -> Vec<Property<OnceModel>> {
    vec![
        Property::sometimes(FINISHED, |_: &OnceModel, state: &State| {
            state.record.phase == Phase::Finished
        }),
        Property::sometimes(TAKEN_OVER, |_: &OnceModel, state: &State| {
            state.record.phase == Phase::Finished && state.fence > 1
        }),
    ]
}
