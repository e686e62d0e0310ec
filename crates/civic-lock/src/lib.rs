#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

pub mod scheduler;

pub use scheduler::{Schedule, ScheduleError, Tick};
