//! What a step is taken under.

use super::scope::Scope;
use crate::rules::Rules;

/// The surroundings of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) scope: &'a Scope,
    pub(super) rules: Rules,
}
