//! The promises of a changed schedule.

/// What was before a schedule's deployment is none of its business.
pub const PHANTOM: &str = "no instant before a schedule's deployment is run or reported";
/// An instant at which a replica with its schedule was there is accounted for.
pub const FORGOTTEN: &str = "no instant of a schedule that a replica has is lost silently";
/// A run that was broken off comes before later ticks.
pub const DROPPED: &str = "a tick whose holder died is not passed over";
/// Without faults each instant runs once.
pub const TWICE: &str = "without a kill no instant is run twice";
/// The new schedule is in use.
pub const REPLACED: &str = "an instant of the new schedule is run";
