#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod builder;
mod error;
#[cfg(feature = "layer")]
pub mod layer;
mod lease;
mod name;
pub mod scheduler;
mod service;
mod store;
mod timing;

pub use self::builder::LockServiceBuilder;
pub use self::error::{Error, ErrorKind};
#[cfg(feature = "layer")]
pub use self::layer::LockLayer;
pub use self::lease::{Lease, LeaseEnd, LeaseGuard, LeaseLost, LostReason};
pub use self::name::LockName;
pub use self::scheduler::{Event, Job, OnError, Run, Schedule, Scheduler, Tick};
pub use self::service::{
    Acquisition, LockRequest, LockService, Mode, OnLoss, OnUnavailable, Outcome,
};
pub use self::store::Delivery;
