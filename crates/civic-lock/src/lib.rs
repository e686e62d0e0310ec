#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod error;
mod lease;
mod name;
mod service;
mod store;
mod timing;

pub use self::{
    error::{Error, ErrorKind},
    lease::{Lease, LeaseEnd, LeaseGuard, LeaseLost, LostReason},
    name::LockName,
    service::{
        Acquisition, LockRequest, LockService, LockServiceBuilder, Mode, OnLoss, OnUnavailable,
        Outcome,
    },
    store::Delivery,
};
