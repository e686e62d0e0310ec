//! An observer that counts for the facade `metrics`.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use http::uri::Authority;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::layer::retry::event::{RetryDecision, RetryEvent};
use crate::method_name::method_name;
use crate::observe::breaker::BreakerEvent;
use crate::observe::call::{AttemptEnd, CallEnd, CallInfo, Ending};
use crate::observe::observer::Observer;
use crate::observe::pool::{PoolChange, PoolEvent};
use crate::url_template::UrlTemplate;

/// How many different values a label has whose values are not a closed list.
const MAX_VALUES: usize = 200;

/// The value for all others.
const OTHER: &str = "_OTHER";

/// An [`Observer`] that counts for the facade [`metrics`](https://docs.rs/metrics).
///
/// | name | kind | labels | counts |
/// |---|---|---|---|
/// | `civic_client_call_duration_seconds` | histogram | `peer`, `method`, `route`, `outcome` | calls, with all attempts and waits |
/// | `civic_client_attempt_duration_seconds` | histogram | `peer`, `method`, `route`, `outcome` | attempts |
/// | `civic_client_calls_in_flight` | gauge | `peer` | calls under way |
/// | `civic_client_attempts_in_flight` | gauge | `peer` | attempts under way |
/// | `civic_client_retries_total` | counter | `peer`, `method`, `route` | attempts that were followed by another one |
/// | `civic_client_not_retried_total` | counter | `peer`, `method`, `route`, `reason` | calls that ended without a success, by why there was no further attempt |
/// | `civic_client_breaker_changes_total` | counter | `peer`, `state` | changes of a breaker |
/// | `civic_client_connections` | gauge | `peer` | open connections |
/// | `civic_client_connections_opened_total` | counter | `peer`, `outcome` | connections that were opened or could not be opened |
/// | `civic_client_connect_duration_seconds` | histogram | `peer`, `outcome` | how long that took |
/// | `civic_client_connection_wait_seconds` | histogram | `peer` | how long requests have waited for a connection to become free |
///
/// `route` is the template of the path and `peer` the authority of the URL. `outcome` is the
/// status, the kind of the error, or `cancelled`; of a connection it is `opened` or `failed`.
///
/// **No label grows without bound.** A method that no one knows is `_OTHER`; a status without a
/// name is its class, such as `5xx`. After 200 different values of `route`, or of `peer`, every
/// further one is `_OTHER`.
#[derive(Clone)]
pub struct MetricsObserver(Arc<Known>);

/// The values that have been seen of labels that are not a closed list.
#[derive(Default)]
struct Known {
    peers: Values,
    routes: Values,
}

#[derive(Default)]
struct Values(Mutex<HashSet<Box<str>>>);

impl MetricsObserver {
    /// Creates an observer, and describes its metrics to the recorder that is installed.
    #[must_use]
    pub fn new() -> Self {
        let seconds = Unit::Seconds;
        describe_histogram!(
            "civic_client_call_duration_seconds",
            seconds,
            "Calls, with all attempts and waits."
        );
        describe_histogram!(
            "civic_client_attempt_duration_seconds",
            seconds,
            "Attempts of calls."
        );
        describe_gauge!("civic_client_calls_in_flight", "Calls under way.");
        describe_gauge!("civic_client_attempts_in_flight", "Attempts under way.");
        describe_counter!(
            "civic_client_retries_total",
            "Attempts that were followed by another one."
        );
        describe_counter!(
            "civic_client_not_retried_total",
            "Calls that ended without a success."
        );
        describe_counter!(
            "civic_client_breaker_changes_total",
            "Changes of a breaker."
        );
        describe_gauge!("civic_client_connections", "Open connections.");
        describe_counter!(
            "civic_client_connections_opened_total",
            "Connections that were opened or could not be opened."
        );
        describe_histogram!(
            "civic_client_connect_duration_seconds",
            seconds,
            "How long it took to open a connection."
        );
        describe_histogram!(
            "civic_client_connection_wait_seconds",
            seconds,
            "How long requests have waited for a connection to become free."
        );
        Self(Arc::default())
    }

    fn peer(&self, authority: Option<&Authority>) -> String {
        let peer = authority.map_or("", Authority::as_str);
        self.0.peers.bounded(peer)
    }

    fn route(&self, template: Option<&UrlTemplate>) -> String {
        let route = template.map_or("", UrlTemplate::as_str);
        self.0.routes.bounded(route)
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsObserver")
    }
}

impl Values {
    /// Returns `value` if it is one of the first.
    fn bounded(&self, value: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(value) {
            return value.to_owned();
        }
        if known.len() >= MAX_VALUES {
            return OTHER.to_owned();
        }
        known.insert(value.into());
        value.to_owned()
    }
}

fn outcome(ending: Ending) -> String {
    match ending {
        Ending::Answered(status) => status_label(status),
        Ending::Failed(kind) => kind.as_str().to_owned(),
        Ending::Cancelled => "cancelled".to_owned(),
    }
}

/// A status that has a name, else its class: a peer may make up any of 900.
fn status_label(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(_) => status.as_str().to_owned(),
        None => format!("{}xx", status.as_u16() / 100),
    }
}

impl Observer for MetricsObserver {
    fn call_started(&self, call: &CallInfo<'_>) {
        gauge!("civic_client_calls_in_flight", "peer" => self.peer(call.authority)).increment(1);
    }

    fn call_ended(&self, call: &CallInfo<'_>, end: &CallEnd) {
        let peer = self.peer(call.authority);
        gauge!("civic_client_calls_in_flight", "peer" => peer.clone()).decrement(1);
        histogram!(
            "civic_client_call_duration_seconds",
            "peer" => peer,
            "method" => call.method_name().to_owned(),
            "route" => self.route(call.template),
            "outcome" => outcome(end.ending)
        )
        .record(end.took);
    }

    fn attempt_started(&self, call: &CallInfo<'_>, _: u32) {
        gauge!("civic_client_attempts_in_flight", "peer" => self.peer(call.authority)).increment(1);
    }

    fn attempt_ended(&self, call: &CallInfo<'_>, end: &AttemptEnd) {
        let peer = self.peer(call.authority);
        gauge!("civic_client_attempts_in_flight", "peer" => peer.clone()).decrement(1);
        histogram!(
            "civic_client_attempt_duration_seconds",
            "peer" => peer,
            "method" => call.method_name().to_owned(),
            "route" => self.route(call.template),
            "outcome" => outcome(end.ending)
        )
        .record(end.took);
    }

    fn retry_decided(&self, event: &RetryEvent<'_>) {
        let peer = self.peer(event.authority);
        let method = method_name(event.method).to_owned();
        let route = self.route(event.template);
        match event.decision {
            RetryDecision::Retry { .. } => counter!(
                "civic_client_retries_total",
                "peer" => peer,
                "method" => method,
                "route" => route
            )
            .increment(1),
            RetryDecision::Stop(reason) => counter!(
                "civic_client_not_retried_total",
                "peer" => peer,
                "method" => method,
                "route" => route,
                "reason" => reason.as_str()
            )
            .increment(1),
        }
    }

    fn breaker_changed(&self, event: &BreakerEvent<'_>) {
        counter!(
            "civic_client_breaker_changes_total",
            "peer" => self.peer(Some(event.authority)),
            "state" => event.state.as_str()
        )
        .increment(1);
    }

    fn pool_changed(&self, event: &PoolEvent<'_>) {
        let peer = self.peer(Some(event.authority));
        let (took, outcome) = match event.change {
            PoolChange::Opened { took } => {
                gauge!("civic_client_connections", "peer" => peer.clone()).increment(1);
                (took, "opened")
            }
            PoolChange::NotOpened { took } => (took, "failed"),
            PoolChange::Closed => {
                gauge!("civic_client_connections", "peer" => peer).decrement(1);
                return;
            }
            PoolChange::Waited { took } => {
                histogram!("civic_client_connection_wait_seconds", "peer" => peer).record(took);
                return;
            }
        };
        counter!(
            "civic_client_connections_opened_total",
            "peer" => peer.clone(),
            "outcome" => outcome
        )
        .increment(1);
        histogram!(
            "civic_client_connect_duration_seconds",
            "peer" => peer,
            "outcome" => outcome
        )
        .record(took);
    }
}
