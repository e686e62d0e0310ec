//! What a model is checked for.

use crate::check::Subject;
use crate::rules::Rule;

/// How much is visited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// Small scopes: less than a minute.
    Quick,
    /// Larger scopes: several minutes.
    Whole,
}

/// A model with its scopes and the rules that it can tell apart.
#[expect(missing_debug_implementations, reason = "a subject is a closed box")]
pub struct Entry {
    /// The model's name.
    pub name: &'static str,
    /// What is visited as a whole.
    pub scopes: Vec<Box<dyn Subject>>,
    /// What has to be found.
    pub mutations: Vec<Mutation>,
}

/// A rule that is left out, and the promise that is broken then.
#[expect(missing_debug_implementations, reason = "a subject is a closed box")]
pub struct Mutation {
    /// The rule that is left out.
    pub rule: Rule,
    /// Where it is left out.
    pub scope: Box<dyn Subject>,
    /// What does not hold without it.
    pub property: &'static str,
}

/// Makes a mutation of each row.
pub(super) fn mutations<S: Subject + Copy + 'static>(
    rows: &[(Rule, S, &'static str)],
) -> impl Iterator<Item = Mutation> {
    rows.iter().map(|(rule, scope, property)| Mutation {
        rule: *rule,
        scope: Box::new(*scope),
        property,
    })
}
