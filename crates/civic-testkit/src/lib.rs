//! Real peers for the workspace's tests.
//!
//! - [`contract`]: the tower contract, as a test for any layer.

pub mod contract;
