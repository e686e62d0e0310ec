//! Retries: the layer, its policy, the backoff, and the `Retry-After` header.

mod admission;
pub(crate) mod attempts;
mod backoff;
mod budget;
mod call;
pub(crate) mod event;
mod outcome;
mod peers;
mod policy;
mod rate_limit;
pub(crate) mod retry_after;
mod route_name;
pub(crate) mod said_no;
mod scope;
mod service;

pub use self::attempts::{AttemptNumber, Attempts};
pub use self::backoff::{Backoff, Jitter};
pub use self::budget::RetryBudget;
pub use self::event::{RetryDecision, RetryEvent};
pub use self::peers::PeerMemory;
pub use self::policy::RetryPolicy;
pub use self::retry_after::retry_after;
pub use self::scope::RetryScope;
pub use self::service::{Retry, RetryFuture, RetryLayer};
