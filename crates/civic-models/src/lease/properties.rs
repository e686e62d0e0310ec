//! The promises of lease and fence.

/// No two callers believe at a time that they hold the lock.
pub const EXCLUSION: &str = "no two holders believe that they hold the lock";
/// A caller that believes that it holds the lock is right.
pub const TOLD: &str = "a holder is told before its key is gone";
/// Fences grow in the order of acquisitions.
pub const FENCE: &str = "each acquisition has a larger fence";
/// The resource never takes a write of a holder that was followed by another.
pub const STALE: &str = "no stale write is accepted";
/// No command touches the key of another holder.
pub const ANOTHERS: &str = "no command deletes or extends another holder's key";
/// A value that was given up keeps the key from its own process never, or for one ttl at most.
pub const BLOCKED: &str = "a lost acquire does not block its own process";
/// The key of a dead holder goes away by itself.
pub const EXPIRES: &str = "a key expires within its ttl";
/// Only what may have been sent is taken back.
pub const SENT: &str = "what was never sent is not taken back";

/// The lock goes from one caller to the next.
pub const HANDED_ON: &str = "the last caller gets the lock after all others have had their turns";
