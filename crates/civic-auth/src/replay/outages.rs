//! A warning, now and then, while the store of used tokens cannot tell.
//!
//! There is at most one line per minute and guard, which says how many requests there were.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::on_outage::OnStoreOutage;

/// The time between two warnings.
const INTERVAL: Duration = Duration::from_secs(60);

/// The requests of one guard about which the store could not tell.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_warning: Option<Instant>,
    since: u64,
}

impl Outages {
    /// Takes note of a request, and warns if it is time to.
    pub(super) fn note(&self, error: &dyn Error, choice: OnStoreOutage) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since += 1;
        if state
            .last_warning
            .is_some_and(|last| now.saturating_duration_since(last) < INTERVAL)
        {
            return;
        }
        state.last_warning = Some(now);
        let requests = std::mem::take(&mut state.since);
        drop(state);
        let cause = error.source().map(tracing::field::display);
        match choice {
            OnStoreOutage::Refuse => tracing::warn!(
                %error,
                cause,
                requests,
                "requests are refused with 503, because it is not known whether their tokens were \
                 used before"
            ),
            OnStoreOutage::Accept => tracing::warn!(
                %error,
                cause,
                requests,
                "requests are let in although it is not known whether their tokens were used before"
            ),
        }
    }
}
