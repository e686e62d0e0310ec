//! Injects the faults of the plan, and takes them back: one file per class of faults.

mod clock;
mod deployment;
mod eviction;
mod injector;
mod key;
mod link;
mod replica;
mod server;
mod topology;
mod work;

pub(crate) use self::injector::{Injector, name};
