//! The endpoint of each attempt.

mod address;
mod layer;
mod service;

pub use self::layer::BalanceLayer;
pub use self::service::{Balance, BalanceFuture};
