//! The promises of `once`.

mod admin;
mod durability;
mod events;
mod executions;
mod faults;
mod processes;
mod waiting;
