//! The settings of a store.

use std::time::Duration;

use crate::namespace::Namespace;

/// The settings that a store is built with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long one operation may take, connecting included.
    pub(crate) command_timeout: Duration,
    /// How many replicas must acknowledge an acquire. Ignored by the host store.
    pub(crate) replica_acks: u32,
    /// What stands before each name.
    pub(crate) namespace: Namespace,
}
