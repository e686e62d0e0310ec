//! What a claim asks for.

use std::time::Duration;

use crate::delivery::Delivery;

/// What `claim` needs to know beside name, holder and ttl.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimRequest {
    /// The scheduled instant.
    pub(crate) tick: u64,
    /// A tick is missed when it is older than this.
    pub(crate) grace: Duration,
    pub(crate) delivery: Delivery,
    /// A tick that lies further in the store's future than this is refused. The scheduler's
    /// default is 5 s.
    pub(crate) max_skew: Duration,
    /// The keys of fence and watermark live at least this long: 4 intervals.
    pub(crate) retain: Duration,
}
