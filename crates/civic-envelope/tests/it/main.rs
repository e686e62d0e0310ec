//! What civic-envelope promises, tried through its public interface.

#[cfg(feature = "layer")]
mod defaults;
mod error_words;
#[cfg(feature = "layer")]
mod layer;
mod memory;
mod numbers;
#[cfg(feature = "layer")]
mod support;
mod unwrap;
mod vectors;
