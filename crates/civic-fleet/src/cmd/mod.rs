//! One file a subcommand.

pub(crate) mod assessment_roll;
pub(crate) mod billing;
pub(crate) mod call;
pub(crate) mod conformance;
pub(crate) mod lock;
pub(crate) mod penalty_scheduler;
pub(crate) mod token;
