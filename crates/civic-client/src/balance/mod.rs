//! Which of several endpoints an attempt goes to.
//!
//! An endpoint is one process of a service, as far as the client can tell them apart: an entry of
//! the list that a [`Discover`] gives to [`BalanceLayer`](crate::layer::BalanceLayer), or one of
//! the addresses that a name has, between which [`Transport`](crate::Transport) chooses. Both go by
//! the same rules:
//!
//! - **Power of two choices.** Of two random endpoints the one with less load gets the attempt.
//!   The load is what a whole exchange is expected to take there, times the exchanges under way
//!   and this one. Endpoints with more than twice the load of the least loaded one are no choice
//!   at all.
//! - **A failure counts as the timeout of the attempt**, so that an endpoint that fails in a
//!   millisecond does not look like the fastest one. An answer that blames the caller (4xx) counts
//!   as a twentieth of that: it says nothing against an endpoint that gives as many as the others,
//!   and much against one that answers 401 to everything. An exchange that is under way for longer
//!   than one usually takes counts with the time that it has taken so far, so that an endpoint that
//!   swallows requests stops attracting them long before the first timeout.
//! - **A breaker per endpoint**, with the rule of [`BreakerPolicy`].
//! - **A retry goes elsewhere**: an endpoint that an earlier attempt of the call used comes after
//!   those that are well. So does one that has answered 503 with `Retry-After`, until that time is
//!   over, and at most for a minute.
//! - **What was not taken need not wait.** Of several endpoints, one that cannot be reached is left
//!   for another one within the same attempt, and after a 503 with `Retry-After` the first retry
//!   goes to another one at once: see [`BalanceLayer`](crate::layer::BalanceLayer).
//!
//! Nothing is left without an endpoint by these rules: if there is no better one, the attempt goes
//! to the least bad ([`WhenAllOpen`]).
//!
//! What is remembered is bounded: 1024 endpoints per list or name; the one that was not used for
//! longest makes room.

mod balancer;
mod breaker;
mod discover;
mod endpoint;
mod estimate;
mod exchange;
mod outcome;
mod pause;
mod record;
mod window;

pub(crate) use self::balancer::{Balancer, Watcher};
pub use self::breaker::{BreakerPolicy, WhenAllOpen};
pub use self::discover::{Discover, StaticEndpoints};
pub use self::endpoint::Endpoint;
pub(crate) use self::endpoint::HostName;
pub(crate) use self::exchange::{BreakWatch, Exchange};
pub(crate) use self::outcome::Outcome;
pub(crate) use self::pause::{AnotherIsWell, pause_asked};

#[cfg(test)]
mod tests;
