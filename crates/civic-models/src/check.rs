//! Runs the checker, and says what it found.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::faults::Budget;
use crate::rules::Rules;

/// A model whose steps can be told in words.
pub trait Described: Model {
    /// Tells a step from this state in one line.
    fn describe(&self, state: &Self::State, action: &Self::Action) -> String;
}

/// What one check covers.
pub trait Bounded: Copy {
    /// The model that it belongs to.
    type Model: Described<State: Clone + Hash + PartialEq + Send + Sync, Action: Clone + PartialEq>
        + Send
        + Sync
        + 'static;

    /// Returns the name of the scope.
    fn name(&self) -> &'static str;

    /// Returns the bounds in words, without the faults.
    fn bounds(&self) -> String;

    /// Returns the faults that may happen.
    fn budget(&self) -> Budget;

    /// Replaces the faults that may happen.
    #[must_use]
    fn with_budget(self, budget: Budget) -> Self;

    /// Builds the model with the promises as its properties.
    fn model(self, rules: Rules) -> Self::Model;

    /// Builds the model with what must be possible as its properties.
    fn goals(self, rules: Rules) -> Self::Model;
}

/// A [`Bounded`] whose model does not matter.
pub trait Subject {
    /// Returns the name of the scope.
    fn name(&self) -> &'static str;

    /// Returns the bounds in words, with the faults.
    fn bounds(&self) -> String;

    /// Visits every state.
    fn explore(&self) -> Explored;

    /// Lists what should be possible and is not.
    fn unreachable(&self) -> Vec<&'static str>;

    /// Looks for the path that breaks a promise with the fewest faults, and of those for the
    /// shortest.
    fn find(&self, rules: Rules, property: &'static str) -> Option<Counterexample>;
}

/// What the whole of a scope has shown.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How many different states there are.
    pub states: usize,
    /// The number of steps to the state that is furthest from the start.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The promises that do not hold, each with a path.
    pub broken: Vec<Counterexample>,
}

/// A path that breaks a promise.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The promise that is broken.
    pub property: &'static str,
    /// The most faults that it may have.
    pub faults: u8,
    /// What happens, one line per step.
    pub steps: Vec<String>,
}

/// The promise of a model in which time must pass: it never gets stuck before its last moment.
pub const GOES_ON: &str = "the model goes on until its last moment";

/// More states than any scope has: a search that gets there finds nothing.
const TOO_MANY: usize = 30_000_000;

impl<S: Bounded> Subject for S {
    fn name(&self) -> &'static str {
        Bounded::name(self)
    }

    fn bounds(&self) -> String {
        format!("{}; {}", Bounded::bounds(self), self.budget())
    }

    fn explore(&self) -> Explored {
        let begun = Instant::now();
        let checker = self
            .model(Rules::all())
            .checker()
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        Explored {
            states: checker.unique_state_count(),
            depth: checker.max_depth().saturating_sub(1),
            took: begun.elapsed(),
            broken: counterexamples(&checker, self.budget().total()),
        }
    }

    fn unreachable(&self) -> Vec<&'static str> {
        let checker = self.goals(Rules::all()).checker().spawn_bfs().join();
        let reached = checker.discoveries();
        let goals = checker.model().properties();
        let mut missing: Vec<_> = goals.iter().map(|goal| goal.name).collect();
        missing.retain(|name| !reached.contains_key(name));
        missing
    }

    fn find(&self, rules: Rules, property: &'static str) -> Option<Counterexample> {
        (0..=self.budget().total()).find_map(|faults| {
            let scope = self.with_budget(self.budget().at_most(faults));
            shortest(|| scope.model(rules), property, faults)
        })
    }
}

fn shortest<M>(model: impl Fn() -> M, property: &'static str, faults: u8) -> Option<Counterexample>
where
    M: Described + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let mut best: Option<Counterexample> = None;
    loop {
        let builder = model()
            .checker()
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([property])))
            .target_state_count(TOO_MANY);
        // The checker goes on for a while after it has found a path, and keeps the last one.
        let builder = match &best {
            Some(found) => builder.target_max_depth(found.steps.len() + 1),
            None => builder,
        };
        let checker = builder.spawn_bfs().join();
        let mut found = counterexamples(&checker, faults);
        found.retain(|found| found.property == property);
        match found.pop() {
            Some(found) => best = Some(found),
            None => return best,
        }
    }
}

fn counterexamples<M>(checker: &impl Checker<M>, faults: u8) -> Vec<Counterexample>
where
    M: Described,
    M::State: Clone + PartialEq,
    M::Action: Clone + PartialEq,
{
    let model = checker.model();
    let mut all: Vec<_> = checker
        .discoveries()
        .into_iter()
        .map(|(property, path)| Counterexample {
            property,
            faults,
            steps: path
                .into_vec()
                .iter()
                .filter_map(|(state, action)| Some(model.describe(state, action.as_ref()?)))
                .collect(),
        })
        .collect();
    all.sort_by_key(|found| (found.steps.len(), found.property));
    all
}
