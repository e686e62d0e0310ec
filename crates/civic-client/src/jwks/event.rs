//! What happens to a source of keys.

use crate::error::Error;

/// What has happened to a [`JwksSource`](super::JwksSource). Told to
/// [`JwksSourceBuilder::observer`](super::JwksSourceBuilder::observer).
///
/// It has ids of keys and nothing of the keys themselves. A key without an id is `-`.
#[derive(Debug)]
#[non_exhaustive]
pub enum JwksEvent<'a> {
    /// The set was fetched, and is as it was.
    Confirmed,
    /// The set was fetched, and has other keys than before.
    Replaced {
        /// The ids of the keys that are accepted from now on.
        added: &'a [String],
        /// The ids of the keys that are dead from now on.
        removed: &'a [String],
    },
    /// The publisher has another key under the id of a known one. It is not used. This is told when
    /// it is seen for the first time.
    KeyChanged {
        /// The id of the key.
        id: &'a str,
    },
    /// The set could not be fetched, or is not one. The keys stay as they were.
    Failed {
        /// What went wrong.
        error: &'a Error,
        /// How many fetches have failed since the last one that did not.
        failures: u32,
    },
}
