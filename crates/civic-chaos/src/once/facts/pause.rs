//! What has become of executors that were stopped.

use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// The facts of the part.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Paused {
    pub(crate) rounds: Vec<Round>,
}

/// An executor began and was stopped; another one came; then the first one woke and completed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    pub(crate) at_most_once: bool,
    /// What each came to, in the words of its role.
    pub(crate) first: Turn,
    pub(crate) second: Turn,
    /// What a third one finds afterwards.
    pub(crate) third: Turn,
}

/// What an executor has come to.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Turn {
    /// `completed`, `refused`, `done`, `in-doubt`, `running` or the words of an error.
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) fence: u64,
    /// The result that is recorded.
    #[serde(default)]
    pub(crate) result: String,
}

// ===== impl Paused =====

impl Facts for Paused {
    fn counts(&self) -> Vec<(String, u64)> {
        let count =
            |is: fn(&Round) -> bool| self.rounds.iter().filter(|round| is(round)).count() as u64;
        vec![
            (
                "executors stopped, at least once".to_owned(),
                count(|round| !round.at_most_once),
            ),
            (
                "executors stopped, at most once".to_owned(),
                count(|round| round.at_most_once),
            ),
            (
                "… that completed nothing when they woke".to_owned(),
                count(|round| round.first.outcome == "refused"),
            ),
            (
                "… that ended the doubt about themselves".to_owned(),
                count(|round| round.at_most_once && round.first.outcome == "completed"),
            ),
        ]
    }
}
