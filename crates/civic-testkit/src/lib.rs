//! Real peers for the workspace's tests.
//!
//! - [`contract`]: the tower contract, as a test for any layer.
//! - [`defaults`]: which defaults the documentation of a crate names.
//! - [`log`]: what was logged, for tests that are green on every run.
//! - [`process`]: signals to child processes.
//! - [`program`]: a program that prints one JSON object per line.
//! - [`proxy`]: a TCP proxy that misbehaves when told to.
//! - [`redis`]: real redis-server processes.
//! - [`upstream`]: a scripted HTTP peer on a real socket.

pub mod contract;
pub mod defaults;
pub mod log;
pub mod process;
pub mod program;
pub mod proxy;
pub mod redis;
pub mod upstream;
