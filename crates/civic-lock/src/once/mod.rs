//! One effect under a name, among all replicas.
//!
//! [`LockService::once`](crate::LockService::once) is a lock with a memory: the work runs under a
//! lease, its result is recorded in the same store, and every later call under the same key gets
//! that result instead of another run.
//!
//! | what the store knows of the key | answer |
//! |---|---|
//! | nothing, or that the work failed | [`Started`](crate::OnceBegun::Started): run it |
//! | it is finished | [`Done`](crate::OnceBegun::Done), with the recorded result, if there is one |
//! | another holder runs it | [`Running`](crate::OnceBegun::Running) |
//! | its holder is gone, `AtLeastOnce` | [`Started`](crate::OnceBegun::Started), with a larger fence and attempt |
//! | its holder is gone, `AtMostOnce` | [`InDoubt`](crate::OnceBegun::InDoubt), until an operator or the end of the retention ends it |
//! | it belongs to another call | [`Different`](crate::OnceBegun::Different) |
//!
//! A holder that was stopped for longer than its ttl may still record its result when it wakes, as
//! long as no other holder has begun the work since and no operator has ended it. After that it
//! records nothing. What it *does* when it wakes is kept out only by a resource that compares
//! [fences](crate::Lease::fence).

pub(crate) mod attempt;
pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod run;

pub use self::attempt::OnceAttempt;
pub use self::event::OnceEvent;
pub use self::key::OnceKey;
pub use self::outcome::{OnceBegun, OnceOutcome};
pub use self::record::OnceRecord;
pub use self::request::OnceRequest;
pub use self::run::{OnceCompleteError, OnceRun};
