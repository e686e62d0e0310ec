//! A lease: what a holder has, as long as it may be sure that it has it.
//!
//! [`machine`] decides, without a clock and without a store. [`task`] drives it. [`handle`] is
//! what the work sees. [`keeper`] takes leases and undoes what a lost reply left behind.

mod handle;
mod keeper;
mod machine;
mod task;

pub(crate) mod clock;

pub use self::handle::{Lease, LeaseEnd, LeaseGuard, LeaseLost};
pub(crate) use self::keeper::{ClaimOutcome, Keeper, Taken};
pub use self::machine::LostReason;
