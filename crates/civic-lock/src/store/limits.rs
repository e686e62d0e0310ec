//! What both stores have in common: how long and how much they remember.

use std::time::Duration;

/// The fence and the watermark are kept for at least this long after their last use.
pub(crate) const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many moves of a watermark over missed ticks are remembered.
pub(crate) const MISSES_REMEMBERED: usize = 16;
