//! The promises of the lock.

mod admin;
mod faults;
mod lease;
mod lost;
mod peers;
mod processes;
mod refusals;
mod settings;
mod slots;
mod topologies;
