//! Whether work may run again after a crash.

use serde::{Deserialize, Serialize};

/// Whether a tick, or work under [`once`](crate::LockService::once), may run again after a crash.
///
/// No lock can promise "exactly once" when a holder may die between its work and the record of
/// it. Each job, and each key, decides which of the two errors to make.
///
/// Exhaustive on purpose: there is no third choice.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Runs the work again if its holder died, with a higher fence and attempt number. This is the
    /// default.
    #[default]
    AtLeastOnce,
    /// Counts the work as done as soon as it is begun. Work whose holder died is not run again: a
    /// tick is missed, a key under `once` is in doubt.
    AtMostOnce,
}

// ===== impl Delivery =====

impl Delivery {
    /// Returns a stable name in `snake_case`, as it is stored and logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::AtMostOnce => "at_most_once",
        }
    }
}
