//! The subcommands, one file each.

pub(crate) mod assessment_roll;
pub(crate) mod billing;
pub(crate) mod conformance;
pub(crate) mod penalty_scheduler;
