//! Everything that can be wrong with the service.

use super::answers::{WRONG_ANSWERS, WrongAnswer};
use super::lapse::Lapse;

/// What is wrong with a service: with its answers or with its guard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Defect {
    Answer(&'static WrongAnswer),
    Guard(Lapse),
}

// ===== impl Defect =====

impl Defect {
    /// Every defect, each for a service of its own.
    pub(crate) fn all() -> Vec<Self> {
        let answers = WRONG_ANSWERS.iter().map(Self::Answer);
        answers.chain(Lapse::ALL.map(Self::Guard)).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answer(wrong) => wrong.name,
            Self::Guard(lapse) => lapse.name(),
        }
    }
}
