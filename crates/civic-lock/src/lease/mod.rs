//! A lease: a lock that is held for a limited time, and renewed until it is released or lost.
//!
//! [`machine`] decides when to renew a lease and when it is lost, without a clock and without a
//! store. [`task`] carries out these decisions. [`lease`] is the view that the work has of its
//! lease, and [`guard`] ends the lease when it is dropped. [`acquire`] makes leases, and
//! [`orphans`] releases the keys that acquires with a lost answer may have taken. [`detached`]
//! carries an acquire to its end even if its caller does not wait for it. [`live`] knows which
//! leases were not given back when the process ends.

pub(crate) mod acquire;
mod detached;
pub(crate) mod end;
pub(crate) mod guard;
pub(crate) mod lease;
pub(crate) mod live;
pub(crate) mod machine;
mod orphans;
mod pace;
mod task;
