//! A lease: a lock that is held for a limited time, and renewed until it is released or lost.
//!
//! [`machine`] decides when to renew a lease and when it is lost, without a clock and without a
//! store. [`keeper`] carries out these decisions, from the first renewal on as a task, which
//! [`young`] starts. [`lease`] is the view that the work has of its lease, and [`guard`] ends the
//! lease when it is dropped. [`acquire`] makes leases, and [`orphans`] releases the keys that
//! acquires with a lost answer may have taken. [`detached`] carries an acquire and a release to
//! their end even if their caller does not wait for them. [`live`] knows which leases were not
//! given back when the process ends.

pub(crate) mod acquire;
mod detached;
pub(crate) mod end;
pub(crate) mod guard;
mod keeper;
pub(crate) mod lease;
pub(crate) mod live;
pub(crate) mod machine;
mod orphans;
mod pace;
mod young;
