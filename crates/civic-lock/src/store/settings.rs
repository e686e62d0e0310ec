//! The settings of a store.

use std::time::Duration;

/// The settings that a store is built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long one operation may take, connecting included.
    pub(crate) command_timeout: Duration,
    /// How many replicas must acknowledge an acquire. Ignored by the host store.
    pub(crate) replica_acks: u32,
}
