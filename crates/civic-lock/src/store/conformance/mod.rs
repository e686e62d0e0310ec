//! One set of cases, run against both stores.
//!
//! Each case gets its own name in a store that others use at the same time. Cases do not sleep:
//! where time has to pass, they ask the store until it has.

macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod redis_store {
            $(#[tokio::test]
            async fn $case() {
                let server = civic_testkit::redis::RedisServer::start().await;
                super::$case(crate::store::conformance::support::in_redis(&server)).await;
            })*
        }

        mod host_store {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().expect("a temporary folder");
                super::$case(crate::store::conformance::support::on_host(&folder)).await;
            })*
        }
    };
}

mod fences;
mod histories;
mod leases;
mod misses;
mod once;
mod support;
mod ticks;
