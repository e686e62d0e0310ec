//! What an observer of a client is told: calls, attempts, retries, breakers and connections.
//!
//! An [`Observer`] is given to [`ServiceClientBuilder::observer`](crate::ServiceClientBuilder), or
//! to the parts of a stack that is built by hand: [`ObserveLayer`](crate::layer::ObserveLayer)
//! tells of calls and attempts, [`RetryPolicy`](crate::RetryPolicy) of retries,
//! [`Transport`](crate::Transport) of connections and of the breakers of addresses, and
//! [`BalanceLayer`](crate::layer::BalanceLayer) of those of endpoints.

mod breaker;
mod call;
#[cfg(feature = "metrics")]
mod metrics;
mod observer;
mod pool;
mod teller;

pub use self::breaker::{BreakerEvent, BreakerState};
pub use self::call::{AttemptEnd, CallEnd, CallInfo, Ending};
#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use self::observer::Observer;
pub use self::pool::{PoolChange, PoolEvent};
pub(crate) use self::teller::{Opened, Teller};
