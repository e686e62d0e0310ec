//! A lease: what a holder has, as long as it may be sure that it has it.
//!
//! [`machine`] decides, without a clock and without a store. [`task`] drives it. [`handle`] is
//! what the work sees. [`keeper`] takes leases and undoes what a lost reply left behind.

pub(crate) mod acquire;
pub(crate) mod end;
pub(crate) mod guard;
pub(crate) mod lease;
pub(crate) mod machine;
mod task;
