//! A lease: what a holder has for as long as it can be sure that it has the lock.
//!
//! [`machine`] decides, without a clock and without a store. [`task`] drives it. [`lease`] is what
//! the work sees of it, and [`guard`] keeps it. [`acquire`] makes leases, and [`orphans`] takes
//! back what a lost answer has left behind.

pub(crate) mod acquire;
pub(crate) mod end;
pub(crate) mod guard;
pub(crate) mod lease;
pub(crate) mod machine;
mod orphans;
mod task;
