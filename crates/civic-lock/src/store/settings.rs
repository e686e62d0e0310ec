//! What a store needs to know.

use std::time::Duration;

/// What a store needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) command_timeout: Duration,
    pub(crate) replica_acks: u32,
}
