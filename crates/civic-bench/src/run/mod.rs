//! The groups of benchmarks, from measuring to tables and plots.

mod all;
mod calls;
mod instructions;
mod leases;
mod locks;
mod memory;
mod node;
mod row;

pub use self::all::{names, run};
