//! The promises of the lock, kept on real servers, real files, real processes and broken networks.

mod child;
mod faults;
mod lease;
mod lost;
mod peers;
mod processes;
mod refusals;
mod settings;
mod slots;
mod support;
mod topologies;
