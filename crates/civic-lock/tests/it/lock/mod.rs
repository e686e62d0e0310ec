//! The promises of the lock.

mod admin;
mod cost;
mod crowd;
mod events;
mod faults;
mod lease;
mod lost;
mod peers;
mod processes;
mod refusals;
mod runtimes;
mod settings;
mod slots;
mod topologies;
