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

pub use self::{
    builder::LockServiceBuilder,
    error::{Error, ErrorKind},
    lease::{Lease, LeaseEnd, LeaseGuard, LeaseLost, LostReason},
    name::LockName,
    scheduler::{Event, Job, OnError, Run, Schedule, Scheduler, Tick},
    service::{Acquisition, LockRequest, LockService, Mode, OnLoss, OnUnavailable, Outcome},
    store::Delivery,
};

#[cfg(feature = "layer")]
pub use self::layer::LockLayer;
