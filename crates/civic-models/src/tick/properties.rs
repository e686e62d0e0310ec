//! The promises of tick and watermark.

/// Two replicas never run the job at a time.
pub const OVERLAP: &str = "no two replicas run the job at a time";
/// Without faults each tick runs once.
pub const ONCE: &str = "without faults each tick is begun once";
/// A tick is run or reported.
pub const ACCOUNTED: &str = "no tick is lost silently";
/// An at-most-once tick never runs twice.
pub const TWICE: &str = "an at-most-once tick is never begun twice";
/// What is recorded as done stays done.
pub const AGAIN: &str = "a tick that is recorded as run is not begun again";
/// A run that continues another has a larger attempt.
pub const ATTEMPT: &str = "a tick is begun again only with a larger attempt";
/// Ticks run in order.
pub const ORDER: &str = "ticks are begun in their order";
/// Each acquisition has a larger fence.
pub const FENCE: &str = "each claim has a larger fence";
/// Missed is final, true, and told once.
pub const MISSED: &str = "a tick is reported as missed once, past its grace, and not run then";
/// No command touches the key of another holder.
pub const ANOTHERS: &str = "no command deletes or extends another holder's key";
/// A handed-over tick is free.
pub const HANDED: &str = "a tick that was handed over is free at once";
/// A claim that was lost does not keep its own process out.
pub const BLOCKED: &str = "a lost claim does not block its own process";
/// A job bounds how often a tick is begun.
pub const BOUND: &str = "a tick is begun at most as often as its job says";
/// A wrong clock does not move the watermark.
pub const AHEAD: &str = "the watermark is never ahead of the time";

/// The quiet end is reached with each tick run.
pub const ALL_RUN: &str = "at the end every tick was run";
