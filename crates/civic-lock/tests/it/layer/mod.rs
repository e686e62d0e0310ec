//! The promises of the layers.

mod fence;
mod idempotency;
mod lock;
