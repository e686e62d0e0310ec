//! The promises of leader election.

mod candidates;
mod faults;
mod leaders;
mod observers;
