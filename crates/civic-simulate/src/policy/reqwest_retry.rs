//! The default strategy of reqwest-retry 0.9.1 with the exponential backoff of retry-policies
//! 0.5.2, rebuilt from what the two crates document.
//!
//! The real crates cannot run here: they read the system's clock and the thread's random numbers,
//! and so neither follow paused time nor a seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;

use super::attempt::{Outcome, send};
use super::setting::{Call, Setting};
use crate::random::Random;

pub(super) const DESCRIPTION: &str = "The default strategy of reqwest-retry 0.9.1: every method is \
    retried after 5xx, 408, 429, a timeout or a failed connection, 3 times at most, after \
    uniform(0, 1 s × 2^n). `Retry-After` is not read, and there is no budget.";

/// The number of retries in the crate's own examples. The builder has no default for it.
const RETRIES: u32 = 3;

/// The default of `ExponentialBackoff::builder()`.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The default of `ExponentialBackoff::builder()`.
const MAX_INTERVAL: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug)]
pub(super) struct ReqwestRetry {
    setting: Setting,
    random: Arc<Mutex<Random>>,
}

impl ReqwestRetry {
    pub(super) fn new(setting: Setting) -> Self {
        let random = Arc::new(Mutex::new(Random::stream(setting.seed, 0)));
        Self { setting, random }
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Option<StatusCode> {
        let mut past_retries = 0;
        loop {
            let outcome = send(&self.setting, call).await;
            if !is_transient(outcome) || past_retries >= RETRIES {
                return outcome.status();
            }
            sleep(self.wait(past_retries)).await;
            past_retries += 1;
        }
    }

    /// Full jitter over a wait that doubles.
    fn wait(&self, past_retries: u32) -> Duration {
        let wait = (MIN_INTERVAL * 2_u32.pow(past_retries)).min(MAX_INTERVAL);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        wait.mul_f64(random.unit())
    }
}

fn is_transient(outcome: Outcome) -> bool {
    match outcome {
        Outcome::NoAnswer => true,
        Outcome::Answer(status) => {
            status.is_server_error()
                || status == StatusCode::REQUEST_TIMEOUT
                || status == StatusCode::TOO_MANY_REQUESTS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_retried_is_what_the_crate_calls_transient() {
        let cases = [
            (200, false),
            (301, false),
            (400, false),
            (404, false),
            (408, true),
            (409, false),
            (429, true),
            (500, true),
            (501, true),
            (503, true),
        ];
        for (status, transient) in cases {
            let status = StatusCode::from_u16(status).expect("three digits");
            assert_eq!(is_transient(Outcome::Answer(status)), transient, "{status}");
        }
        assert!(is_transient(Outcome::NoAnswer));
    }
}
