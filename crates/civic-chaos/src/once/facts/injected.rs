//! How often something was injected.

use serde::{Deserialize, Serialize};

/// How often processes of one kind were hit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Injected {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
}
