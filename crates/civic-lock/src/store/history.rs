//! What is remembered of the last runs of a job.

use serde::{Deserialize, Serialize};

/// How many runs of a job are remembered.
pub(crate) const RUNS_KEPT: usize = 100;

/// What is remembered of one run, or of a range of ticks that were missed. Times are milliseconds
/// since the epoch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct RunRecord {
    pub(crate) tick: u64,
    /// The last tick of a range. `None` for one tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<u64>,
    /// How many ticks the range has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(default)]
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) fence: u64,
    /// The holder, or the replica that has noticed it.
    pub(crate) by: String,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    /// The name of the event that has ended it.
    pub(crate) outcome: String,
}

// ===== impl RunRecord =====

impl RunRecord {
    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
