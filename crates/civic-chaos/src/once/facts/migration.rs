//! What has become of a migration.

use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// The facts of the part.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Migration {
    /// How long a process waits for the end of another one at most.
    pub(crate) wait_ms: u64,
    pub(crate) ttl_ms: u64,
    /// What the work has noted, in its order.
    pub(crate) steps: Vec<Step>,
    pub(crate) processes: Vec<Came>,
    /// How many were killed while they did the work.
    pub(crate) killed_at_work: u64,
}

/// A note of the work itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    pub(crate) step: Stage,
    pub(crate) pid: u32,
    pub(crate) attempt: u32,
    pub(crate) fence: u64,
    /// By CLOCK_MONOTONIC, in nanoseconds.
    pub(crate) at: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    Begun,
    /// The work is done, and nothing says so yet but this note.
    Worked,
}

/// A process that came for the migration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Came {
    pub(crate) pid: u32,
    /// When it was killed, if it was.
    #[serde(default)]
    pub(crate) killed: Option<u64>,
    /// What it was told, unless it was killed before.
    #[serde(default)]
    pub(crate) told: Option<Told>,
}

/// What a process was told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) took_ms: u64,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It has done the work, and that is recorded.
    Ran,
    /// The work was done before, by this process and attempt.
    AlreadyDone { by: u32 },
    /// Another one is still at work, at the end of the wait.
    Running,
    /// It lost the lease, and its work was dropped.
    Lost,
    /// The work was done, and that is not recorded.
    NotRecorded,
    /// Anything else, in its words.
    Other(String),
}

// ===== impl Migration =====

impl Facts for Migration {
    fn counts(&self) -> Vec<(String, u64)> {
        let told = |is: fn(&Outcome) -> bool| {
            let told = self.processes.iter().filter_map(|came| came.told.as_ref());
            told.filter(|told| is(&told.outcome)).count() as u64
        };
        let killed = self.processes.iter().filter(|came| came.killed.is_some());
        let begun = self.steps.iter().filter(|step| step.step == Stage::Begun);
        vec![
            ("processes".to_owned(), self.processes.len() as u64),
            ("… killed".to_owned(), killed.count() as u64),
            ("… of these at work".to_owned(), self.killed_at_work),
            ("attempts begun".to_owned(), begun.count() as u64),
            (
                "told that they have done it".to_owned(),
                told(|outcome| *outcome == Outcome::Ran),
            ),
            (
                "told that it was done before".to_owned(),
                told(|outcome| matches!(outcome, Outcome::AlreadyDone { .. })),
            ),
            (
                "told at the end of the wait that another one is at work".to_owned(),
                told(|outcome| *outcome == Outcome::Running),
            ),
            (
                "told anything else".to_owned(),
                told(|outcome| {
                    matches!(
                        outcome,
                        Outcome::Lost | Outcome::NotRecorded | Outcome::Other(_)
                    )
                }),
            ),
        ]
    }
}
