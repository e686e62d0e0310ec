//! The model of lease and fence.

use stateright::{Model, Property};

use super::actions::{self, Action};
use super::properties::{
    ANOTHERS, BLOCKED, EXCLUSION, EXPIRES, FENCE, HANDED_ON, SENT, STALE, TOLD,
};
use super::scope::{Scope, TTL};
use super::state::{Caller, State};
use super::transitions;
use crate::check::{Bounded, Described};
use crate::faults::Budget;
use crate::rules::Rules;

/// Lease and fence, within one scope and with some of the rules.
#[derive(Clone, Copy, Debug)]
pub struct LeaseModel {
    scope: Scope,
    rules: Rules,
    properties: fn() -> Vec<Property<Self>>,
}

// ===== impl Scope =====

impl Bounded for Scope {
    type Model = LeaseModel;

    fn name(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> String {
        let mut processes: Vec<u8> = self.callers.to_vec();
        processes.dedup();
        let callers = match self.callers.len() {
            callers if callers == processes.len() => String::new(),
            callers => format!(" with {callers} callers"),
        };
        format!(
            "{} processes{callers}, {} acquisitions per caller, {} units of time",
            processes.len(),
            self.acquisitions,
            self.horizon
        )
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    fn model(self, rules: Rules) -> LeaseModel {
        LeaseModel {
            scope: self,
            rules,
            properties: promises,
        }
    }

    fn goals(self, rules: Rules) -> LeaseModel {
        LeaseModel {
            scope: self,
            rules,
            properties: goals,
        }
    }
}

// ===== impl LeaseModel =====

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.scope)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions::list(&self.scope, self.rules, state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        transitions::apply(&mut state, self.rules, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}

impl Described for LeaseModel {
    fn describe(&self, state: &State, action: &Action) -> String {
        actions::describe(state, *action)
    }
}

fn promises() -> Vec<Property<LeaseModel>> {
    vec![
        Property::always(EXCLUSION, |model: &LeaseModel, state: &State| {
            state.is_excused() || state.believing(model.rules).count() <= 1
        }),
        Property::always(TOLD, |model: &LeaseModel, state: &State| {
            state.is_excused()
                || state.believing(model.rules).all(|holding| {
                    state
                        .server
                        .store
                        .key
                        .is_some_and(|held| held.holder == holding.holder)
                })
        }),
        Property::always(FENCE, |_: &LeaseModel, state: &State| {
            !state.server.history.fence_shrank
        }),
        Property::always(STALE, |_: &LeaseModel, state: &State| !state.stale_write),
        Property::always(ANOTHERS, |_: &LeaseModel, state: &State| {
            !state.server.history.touched_anothers
        }),
        Property::always(BLOCKED, |_: &LeaseModel, state: &State| !state.blocked),
        Property::always(EXPIRES, |_: &LeaseModel, state: &State| {
            state.server.store.key.is_none_or(|held| {
                held.expires
                    .is_some_and(|at| at <= state.now + state.server.ahead + TTL + state.set_back)
            })
        }),
        Property::always(SENT, |_: &LeaseModel, state: &State| {
            !state.took_back_unsent
        }),
    ]
}

fn goals() -> Vec<Property<LeaseModel>> {
    vec![Property::sometimes(
        HANDED_ON,
        |_: &LeaseModel, state: &State| {
            let spent = |left: &u8| *left == 0;
            let last = state
                .callers
                .iter()
                .rposition(|it| matches!(it, Caller::Holding(_)));
            last == Some(state.callers.len() - 1) && state.acquisitions.iter().all(spent)
        },
    )]
}
