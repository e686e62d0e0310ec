//! What the simulation promises: the same seed, the same bytes; and servers, network and report
//! that do what the page says.

mod determinism;
mod network;
mod policy;
mod report;
mod support;
