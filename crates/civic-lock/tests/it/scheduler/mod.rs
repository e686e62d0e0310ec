//! The scheduler's promises, kept by real processes on real stores.

mod backlog;
mod clocks;
mod delivery;
mod deployments;
mod operator;
mod outages;
mod outcomes;
mod peers;
mod shutdown;
#[cfg(target_os = "linux")]
mod stepped;
mod takeover;
mod ticks;
