//! The model of Node's ticks.

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::properties::{BOTH, LOST, SHARED};
use super::scope::Scope;
use super::state::State;
use crate::check::{Bounded, Described, GOES_ON};
use crate::faults::Budget;
use crate::rules::Rules;

/// Node's ticks, within one scope and with some of the rules.
#[derive(Clone, Copy, Debug)]
pub struct PeerModel {
    scope: Scope,
    rules: Rules,
    properties: fn() -> Vec<Property<Self>>,
}

// ===== impl Scope =====

impl Bounded for Scope {
    type Model = PeerModel;

    fn name(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> String {
        let (shortest, longest) = self.node_work;
        format!(
            "{} replicas, a Node peer that works for {shortest} to {longest}, {} ticks, each clock \
             wrong by -1 to 1, {} units of time",
            self.replicas,
            self.ticks.len(),
            self.horizon
        )
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    fn model(self, rules: Rules) -> PeerModel {
        PeerModel {
            scope: self,
            rules,
            properties: promises,
        }
    }

    fn goals(self, rules: Rules) -> PeerModel {
        PeerModel {
            scope: self,
            rules,
            properties: goals,
        }
    }
}

// ===== impl PeerModel =====

impl Model for PeerModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        State::all_skews(&self.scope)
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions::list(&self.scope, self.rules, state, actions);
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

impl Described for PeerModel {
    fn describe(&self, state: &State, action: &Action) -> String {
        actions::describe(state, *action)
    }
}

fn promises() -> Vec<Property<PeerModel>> {
    vec![
        Property::always(BOTH, |_: &PeerModel, state: &State| {
            let both = state.ours.iter().zip(&state.theirs);
            both.into_iter().all(|(ours, theirs)| ours + theirs <= 1)
        }),
        Property::always(LOST, |model: &PeerModel, state: &State| {
            state.now < model.scope.horizon || state.is_accounted()
        }),
        Property::always(GOES_ON, |model: &PeerModel, state: &State| {
            let mut actions = Vec::new();
            actions::list(&model.scope, model.rules, state, &mut actions);
            !actions.is_empty() || state.now == model.scope.horizon
        }),
    ]
}

fn goals() -> Vec<Property<PeerModel>> {
    vec![Property::sometimes(
        SHARED,
        |_: &PeerModel, state: &State| {
            let ran = |counts: &[u8]| counts.iter().any(|count| *count > 0);
            ran(&state.ours) && ran(&state.theirs)
        },
    )]
}
