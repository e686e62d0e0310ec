//! A warning, now and then, when calls are refused because the keys do not fit.
//!
//! Such a refusal is more often a wrong `JWT_SECRET` than an attack, and an operator has to see it
//! without the level DEBUG. An attacker must not fill the log with it: there is at most one line
//! per minute and guard, which says how many there were.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Cause;
use crate::verify::TokenVerifier;

/// The time between two warnings.
const INTERVAL: Duration = Duration::from_secs(60);

/// The refusals of one guard that are worth a warning.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_warning: Option<Duration>,
    since: u64,
}

impl Refusals {
    /// Takes note of a refusal, and warns if it is time to.
    pub(super) fn note(&self, cause: Cause, verifier: &TokenVerifier) {
        if !matches!(cause, Cause::WrongSignature | Cause::UnknownKey) {
            return;
        }
        let now = verifier.now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since += 1;
        let due = state
            .last_warning
            .is_none_or(|last| now >= last.saturating_add(INTERVAL) || now < last);
        if due {
            state.last_warning = Some(now);
            tracing::warn!(
                cause = cause.as_str(),
                refusals = std::mem::take(&mut state.since),
                "tokens are refused because no configured key made them: compare JWT_SECRET with \
                 the callers', or run `civic token inspect` on one of the tokens"
            );
        }
    }
}
