//! What civic-auth promises whatever features other crates of an application enable.

mod arbitrary_precision;
mod both_backends;
