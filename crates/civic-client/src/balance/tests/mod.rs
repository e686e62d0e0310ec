//! How attempts are spread over endpoints, and when one is left alone.

mod breaker;
mod choice;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tokio::time::{Instant, sleep};

use crate::attempt::{Attempt, Progress};
use crate::balance::{Balancer, BreakerPolicy, Exchange, Outcome, WhenAllOpen};
use crate::error::Error;
use crate::error_kind::ErrorKind;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn balancer() -> Balancer<u8> {
    Balancer::with_seed(BreakerPolicy::new(), 7)
}

/// A balancer that says when all are open.
fn failing_fast() -> Balancer<u8> {
    let policy = BreakerPolicy::new().with_when_all_open(WhenAllOpen::FailFast);
    Balancer::with_seed(policy, 7)
}

/// The extensions of an attempt that may take this long.
fn within(timeout: Duration) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Attempt {
        until: Instant::now() + timeout,
        progress: Arc::<Progress>::default(),
    });
    extensions
}

fn try_begin(balancer: &Balancer<u8>, keys: &[u8], used: &[u8]) -> Result<Exchange<u8>, Error> {
    Exchange::begin(balancer, keys, used, &within(10 * SECOND))
}

fn begin(balancer: &Balancer<u8>, keys: &[u8]) -> Exchange<u8> {
    try_begin(balancer, keys, &[]).expect("an endpoint")
}

fn end(balancer: &Balancer<u8>, keys: &[u8], outcome: Outcome) {
    begin(balancer, keys).end(outcome);
}

/// The wait until the next probe, if the only endpoint is shut.
fn wait(balancer: &Balancer<u8>) -> Option<Duration> {
    match try_begin(balancer, &[1], &[]) {
        Ok(exchange) => {
            exchange.end(Outcome::NotMade);
            None
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CircuitOpen);
            error.retry_after()
        }
    }
}

/// Makes a call each `interval` for `time`, and returns how many exchanges each endpoint got.
/// `ends` says how an exchange with an endpoint ends and after which time; `None` is never.
async fn load(
    balancer: &Balancer<u8>,
    keys: &[u8],
    interval: Duration,
    time: Duration,
    ends: impl Fn(u8, usize) -> Option<(Duration, Outcome)>,
) -> BTreeMap<u8, usize> {
    let start = Instant::now();
    let mut counts = BTreeMap::new();
    let mut number = 0;
    while start.elapsed() < time {
        let exchange = begin(balancer, keys);
        let key = *exchange.key();
        *counts.entry(key).or_default() += 1;
        number += 1;
        let ended = ends(key, number);
        tokio::spawn(async move {
            match ended {
                Some((after, outcome)) => {
                    sleep(after).await;
                    exchange.end(outcome);
                }
                None => sleep(10 * SECOND).await,
            }
        });
        sleep(interval).await;
    }
    counts
}
