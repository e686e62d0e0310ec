//! The promises of the layers.

mod fence;
mod lock;
