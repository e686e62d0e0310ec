//! The scheduler's promises, kept by real processes on real stores.

mod backlog;
mod clocks;
mod delivery;
mod deployments;
mod outages;
mod outcomes;
mod peers;
mod shutdown;
mod takeover;
mod ticks;
