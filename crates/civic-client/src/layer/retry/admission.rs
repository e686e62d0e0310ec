//! Whether a call may go out, going by the rate limit of its peer.

use std::pin::pin;
use std::time::Duration;

use http::uri::Authority;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::retry::call::Call;
use crate::layer::retry::policy::RetryPolicy;
use crate::layer::retry::rate_limit::{Admission, Ticket};
use crate::layer::retry::route_name::RouteName;
use crate::not_retried::NotRetried;
use crate::transmission::Transmission;

/// Why a call is not sent: the peer's limit is used up, or there is no time left.
pub(super) enum Refusal {
    RateLimited(Instant),
    Deadline,
}

/// How far a call has come that asks for admission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    Unhindered,
    Waited,
    Scattered,
}

// ===== impl Refusal =====

impl Refusal {
    pub(super) const fn reason(&self) -> NotRetried {
        match self {
            Self::RateLimited(_) => NotRetried::RateLimited,
            Self::Deadline => NotRetried::Deadline,
        }
    }

    pub(super) fn error(&self) -> Error {
        let error = match self {
            Self::RateLimited(until) => Error::new(ErrorKind::RateLimited)
                .with_retry_after(until.saturating_duration_since(Instant::now())),
            Self::Deadline => {
                Error::new(ErrorKind::Deadline).with_transmission(Transmission::NotSent)
            }
        };
        error.with_not_retried(Some(self.reason()))
    }
}

/// Waits until the peer's limit has room for another attempt; at once, if none is known.
pub(super) async fn admitted(
    policy: &RetryPolicy,
    call: Call,
    peer: Option<&Authority>,
    route: &RouteName,
) -> Result<Option<Ticket>, Refusal> {
    let longest = match call.deadline {
        Some(_) => call.longest_wait().ok_or(Refusal::Deadline)?,
        None => policy.max_retry_after(),
    };
    // Most often there is room, and no change to wait for.
    match policy
        .memory()
        .route(peer, route)
        .map(|route| route.admit())
    {
        None => Ok(None),
        Some(Admission::Go(ticket)) => Ok(Some(ticket)),
        Some(Admission::UsedUp(_) | Admission::Busy(_)) => {
            Box::pin(admitted_later(policy, longest, peer, route)).await
        }
    }
}

/// Waits until the peer's limit has room for another attempt, for at most `longest`.
async fn admitted_later(
    policy: &RetryPolicy,
    longest: Duration,
    peer: Option<&Authority>,
    route: &RouteName,
) -> Result<Option<Ticket>, Refusal> {
    let latest = Instant::now().checked_add(longest);
    let mut pace = Pace::Unhindered;
    loop {
        // It may be another one after each answer.
        let Some(route) = policy.memory().route(peer, route) else {
            return Ok(None);
        };
        let mut changed = pin!(route.changed.notified());
        // From here on no change is missed.
        changed.as_mut().enable();
        let until = match route.admit() {
            Admission::Go(ticket) if pace == Pace::Waited && !ticket.is_counted() => {
                // Each call that waited for the same limit is here now, and nothing says how many
                // of them the peer takes.
                drop(ticket);
                pace = Pace::Scattered;
                let scattered = Instant::now() + policy.scatter();
                sleep_until(latest.map_or(scattered, |latest| scattered.min(latest))).await;
                continue;
            }
            Admission::Go(ticket) => return Ok(Some(ticket)),
            Admission::UsedUp(until) => {
                if latest.is_some_and(|latest| until > latest) {
                    return Err(Refusal::RateLimited(until));
                }
                until
            }
            Admission::Busy(until) => {
                let now = Instant::now();
                if latest.is_some_and(|latest| now >= latest) {
                    return Err(Refusal::RateLimited(until));
                }
                latest.map_or(until, |latest| until.min(latest))
            }
        };
        // Whichever it was, the limit says what follows.
        let _ = timeout_at(until, changed).await;
        pace = Pace::Waited;
    }
}
