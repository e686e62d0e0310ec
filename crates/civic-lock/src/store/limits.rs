//! What both stores have in common: how long and how much they remember.

use std::time::Duration;

/// The fence of a lock without a job is kept for at least this long after its last use. It is
/// never below the store's clock, so it only has to outlive a step of that clock.
pub(crate) const FENCE_RETENTION: Duration = Duration::from_secs(10 * 60);

/// A watermark, and the fence of a lock with one, are kept for at least this long after their last
/// use.
pub(crate) const WATERMARK_RETENTION: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// How many moves of a watermark over missed ticks are remembered.
pub(crate) const MISSES_REMEMBERED: usize = 16;

/// The record of an execution is kept for at most this long after it was looked at, or begun.
pub(crate) const MAX_RETENTION: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// How many bytes a recorded result has at most.
pub(crate) const MAX_RESULT: usize = 256 * 1024;
