//! Real peers for the workspace's tests.
//!
//! - [`contract`]: the tower contract, as a test for any layer.
//! - [`upstream`]: a scripted HTTP peer on a real socket.

pub mod contract;
pub mod upstream;
