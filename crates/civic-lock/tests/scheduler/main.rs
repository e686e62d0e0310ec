//! The scheduler's promises, kept by real processes on real stores.
//!
//! Replicas are child processes: this very test binary, started again. See `replica.rs`.

mod delivery;
mod outcomes;
mod peers;
mod replica;
mod store;
mod takeover;
mod ticks;
mod witness;
