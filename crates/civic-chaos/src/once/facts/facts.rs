//! What every part's facts can do.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What happened in a part.
pub(crate) trait Facts: DeserializeOwned + Serialize {
    /// Returns what is printed of it, and how often it happened.
    fn counts(&self) -> Vec<(String, u64)>;
}
