//! The model of tick and watermark.

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::properties::{
    ACCOUNTED, AGAIN, AHEAD, ALL_RUN, ANOTHERS, ATTEMPT, BLOCKED, BOUND, FENCE, HANDED, MISSED,
    ONCE, ORDER, OVERLAP, TWICE,
};
use super::scope::Scope;
use super::state::State;
use super::transitions;
use crate::check::{Bounded, Described, GOES_ON};
use crate::faults::Budget;
use crate::rules::Rules;

/// Tick and watermark, within one scope and with some of the rules.
#[derive(Clone, Copy, Debug)]
pub struct TickModel {
    scope: Scope,
    rules: Rules,
    properties: fn() -> Vec<Property<Self>>,
}

// ===== impl Scope =====

impl Bounded for Scope {
    type Model = TickModel;

    fn name(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> String {
        format!(
            "{} replicas, {} ticks, {} units of time",
            self.skews.len(),
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

    fn model(self, rules: Rules) -> TickModel {
        TickModel {
            scope: self,
            rules,
            properties: promises,
        }
    }

    fn goals(self, rules: Rules) -> TickModel {
        TickModel {
            scope: self,
            rules,
            properties: goals,
        }
    }
}

// ===== impl TickModel =====

impl Model for TickModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.scope)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions::list(self.scope, self.rules, state, actions);
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

impl Described for TickModel {
    fn describe(&self, state: &State, action: &Action) -> String {
        let said = actions::describe(state, *action);
        let after = self.next_state(state, *action);
        let outcome = after.and_then(|after| actions::outcome(state, &after));
        outcome.map_or(said.clone(), |outcome| format!("{said}: {outcome}"))
    }
}

fn promises() -> Vec<Property<TickModel>> {
    vec![
        Property::always(OVERLAP, |model: &TickModel, state: &State| {
            state.is_excused() || state.believing(&model.scope, model.rules).count() <= 1
        }),
        Property::always(ONCE, |_: &TickModel, state: &State| !state.seen.not_once),
        Property::always(ACCOUNTED, |model: &TickModel, state: &State| {
            state.is_accounted(&model.scope, model.rules)
        }),
        Property::always(TWICE, |_: &TickModel, state: &State| !state.seen.twice),
        Property::always(AGAIN, |_: &TickModel, state: &State| !state.seen.again),
        Property::always(ATTEMPT, |_: &TickModel, state: &State| {
            !state.seen.same_attempt
        }),
        Property::always(ORDER, |_: &TickModel, state: &State| !state.seen.disorder),
        Property::always(FENCE, |_: &TickModel, state: &State| {
            !state.server.history.fence_shrank
        }),
        Property::always(MISSED, |_: &TickModel, state: &State| {
            !state.seen.wrongly_missed
        }),
        Property::always(ANOTHERS, |_: &TickModel, state: &State| {
            !state.server.history.touched_anothers
        }),
        Property::always(HANDED, |_: &TickModel, state: &State| {
            !state.seen.not_handed
        }),
        Property::always(BLOCKED, |_: &TickModel, state: &State| !state.seen.blocked),
        Property::always(BOUND, |_: &TickModel, state: &State| !state.seen.too_often),
        Property::always(AHEAD, |model: &TickModel, state: &State| {
            let most = state.now + model.scope.settings.max_skew;
            let ticks = state.server.store.ticks.as_ref();
            ticks.is_none_or(|ticks| ticks.done <= most)
        }),
        Property::always(GOES_ON, |model: &TickModel, state: &State| {
            let mut actions = Vec::new();
            actions::list(model.scope, model.rules, state, &mut actions);
            !actions.is_empty() || state.now == model.scope.horizon
        }),
    ]
}

fn goals() -> Vec<Property<TickModel>> {
    vec![Property::sometimes(
        ALL_RUN,
        |model: &TickModel, state: &State| {
            let scope = &model.scope;
            state.now == scope.horizon && state.seen.ticks.iter().all(|tick| tick.returned)
        },
    )]
}
