#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod acquire;
mod admin;
mod boot_clock;
mod builder;
mod delivery;
mod durability;
pub mod election;
mod environment;
mod error;
#[cfg(feature = "layer")]
pub mod layer;
mod lease;
mod lock_event;
mod mutex;
mod name;
mod namespace;
mod once;
mod outcome;
mod request;
pub mod scheduler;
mod service;
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the operator is going to ask these")
)]
mod store;
mod supervisor;
mod timing;
mod weak_map;
mod work;
#[cfg(feature = "layer")]
mod x_fence;

pub use self::admin::{
    Admin, BreakOutcome, JobRun, JobSchedule, JobStatus, LockStatus, OnceState, OnceStatus,
    ResolveOnce, ResolveOutcome, RunRequest,
};
pub use self::builder::LockServiceBuilder;
pub use self::delivery::Delivery;
pub use self::durability::Durability;
pub use self::election::{Election, Leader, Leadership, Observation, Observer, Term};
pub use self::error::{Error, ErrorKind};
#[cfg(feature = "layer")]
#[doc(inline)]
pub use self::layer::{FenceLayer, IdempotencyLayer, LockLayer};
pub use self::lease::guard::LeaseGuard;
pub use self::lease::lease::{Lease, LeaseEnd, LeaseLost};
pub use self::lease::machine::LostReason;
pub use self::lock_event::LockEvent;
pub use self::name::LockName;
pub use self::once::{
    OnceAttempt, OnceBegun, OnceCompleteError, OnceEvent, OnceKey, OnceOutcome, OnceRecord,
    OnceRequest, OnceRun,
};
pub use self::outcome::{Acquisition, OnLoss, OnUnavailable, Outcome};
pub use self::request::LockRequest;
#[doc(inline)]
pub use self::scheduler::{
    AfterFailure, Attempt, Coalesce, Event, Job, OnError, PeerForm, Peers, Run, SHUTDOWN_BOUND,
    Schedule, Scheduler, Tick,
};
pub use self::service::{Backend, LockService};
pub use self::supervisor::stop_with_stdin;
