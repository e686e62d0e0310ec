//! The promises of the crate, kept on real servers, real files, real processes and broken networks.

mod election;
#[cfg(feature = "layer")]
mod layer;
mod lock;
mod once;
mod scheduler;
mod support;
