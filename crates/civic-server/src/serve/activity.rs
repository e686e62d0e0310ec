//! What a connection is doing, and since when: the state that its timeouts and its end need.
//!
//! hyper has a timeout for heads, but starts it when the answer before has ended, so that it would
//! be the timeout of idle connections as well; and none while it finds out the version of HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::timeouts::Timeouts;

/// What a connection is doing. Shared by its stream, its service and its task.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests whose answer has not ended.
    in_flight: usize,
    /// Whether there was any request so far.
    used: Used,
    /// Since when there is no request in flight, and no byte of an answer was taken.
    idle_since: Instant,
    /// Since when a part of a head is there, while no request is in flight.
    head_since: Option<Instant>,
    /// Since when the caller takes no more bytes.
    stalled_since: Option<Instant>,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Used {
    Never,
    Before,
}

/// Whether bytes that arrive between requests are the beginning of a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Protocol {
    /// HTTP/1.1: they are.
    OneByOne,
    /// HTTP/2: they may belong to the connection itself, such as a ping.
    Multiplexed,
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

// ===== impl Activity =====

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            in_flight: 0,
            used: Used::Never,
            idle_since: Instant::now(),
            head_since: None,
            stalled_since: None,
            protocol: Protocol::OneByOne,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that bytes have arrived.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// Takes note that the caller takes no more bytes for now.
    pub(super) fn stalled(&self) {
        self.state().stalled_since.get_or_insert_with(Instant::now);
    }

    /// Takes note that the caller has taken bytes. An answer may be on its way for long after its
    /// body was handed on.
    pub(super) fn sent(&self) {
        let mut state = self.state();
        state.stalled_since = None;
        state.idle_since = Instant::now();
    }

    /// Takes note that the connection carries several requests at a time.
    pub(super) fn is_multiplexed(&self) {
        self.state().protocol = Protocol::Multiplexed;
    }

    /// Takes note of a request whose head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        state.used = Used::Before;
        state.head_since = None;
        drop(state);
        InFlight(Arc::clone(self))
    }

    /// Whether no whole head has ever arrived.
    pub(super) fn is_unused(&self) -> bool {
        self.state().used == Used::Never
    }

    /// When the connection has waited for its caller for too long.
    pub(super) fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let state = self.state();
        let waiting = match (state.in_flight, state.head_since, state.protocol) {
            (0, Some(since), Protocol::OneByOne) => Some(since + timeouts.head),
            (0, _, _) => Some(state.idle_since + timeouts.idle),
            _ => None,
        };
        let stalled = state.stalled_since.map(|since| since + timeouts.write);
        [waiting, stalled].into_iter().flatten().min()
    }
}

// ===== impl InFlight =====

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}
