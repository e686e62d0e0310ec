//! The lock's protocol as small models that are checked exhaustively.
#![doc = include_str!("../README.md")]

pub mod catalogue;
pub mod check;
pub mod faults;
pub mod lease;
pub mod once;
pub mod peer;
pub mod report;
pub mod rules;
pub mod schedule;
pub mod server;
pub mod store;
pub mod tick;
