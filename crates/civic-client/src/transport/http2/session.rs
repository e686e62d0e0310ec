//! One HTTP/2 connection to a peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::runtime::{self, Handle};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::transport::config::TransportConfig;
use crate::transport::connection::{next_id, retirement};
use crate::transport::http2::config::Http2;
use crate::transport::http2::place::Place;
use crate::transport::http2::stream_error::{Circumstances, StreamError};
use crate::transport::http2::wire::Notes;
use crate::transport::later::later;

/// How long a request waits without a word from the peer until the peer is suspected to be gone, if
/// the caller gives up.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// How long a connection that is let go of may take to end.
const CLOSING: Duration = Duration::from_secs(1);

/// One HTTP/2 connection to a peer. It takes no further request when this is dropped, and ends when
/// those on it have.
pub(in crate::transport) struct Session {
    id: u64,
    address: SocketAddr,
    runtime: runtime::Id,
    shared: Arc<Shared>,
    /// Tells the task that drives it that the state has changed.
    changes: watch::Sender<()>,
}

/// What a session and the task that drives it have in common.
pub(super) struct Shared {
    pub(super) notes: Arc<Notes>,
    place: Arc<Place>,
    http2: Http2,
    /// From when on it takes no further request.
    retired: Instant,
    was_silent: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// `None` once it takes no further request.
    sender: Option<SendRequest<Bytes>>,
    /// How many exchanges are under way.
    active: usize,
    /// How many the peer allows at once.
    max: usize,
    /// Since when none is under way, or it was closed with none.
    idle_since: Instant,
    /// Since when some are.
    busy_since: Instant,
    was_used: bool,
    /// How often something had been read when the peer was suspected to be gone, if it is.
    suspected: Option<u64>,
}

/// When the task that drives a connection has something to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) end_at: Option<Instant>,
    pub(super) ping_at: Option<Instant>,
}

/// A place on a session, for one exchange.
pub(in crate::transport) struct Seat {
    pub(super) session: Arc<Session>,
    pub(super) sender: SendRequest<Bytes>,
    is_reused: bool,
    /// When the request was handed over, and how often something had been read then, as long as
    /// there is no response.
    unanswered: Option<(Instant, u64)>,
}

// ===== impl Session =====

impl Session {
    /// Creates a session. `changes` is what the task that drives it listens to.
    pub(super) fn new(
        address: SocketAddr,
        sender: SendRequest<Bytes>,
        notes: Arc<Notes>,
        place: Arc<Place>,
        (config, http2): (&TransportConfig, Http2),
    ) -> (Self, Arc<Shared>, watch::Receiver<()>) {
        let now = Instant::now();
        let max = sender.current_max_send_streams();
        let shared = Arc::new(Shared {
            notes,
            place,
            http2,
            retired: retirement(config, now),
            was_silent: AtomicBool::new(false),
            state: Mutex::new(State {
                sender: Some(sender),
                active: 0,
                max,
                idle_since: now,
                busy_since: now,
                was_used: false,
                suspected: None,
            }),
        });
        let (changes, changed) = watch::channel(());
        let session = Self {
            id: next_id(),
            address,
            runtime: Handle::current().id(),
            shared: Arc::clone(&shared),
            changes,
        };
        (session, shared, changed)
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(super) fn is_of(&self, runtime: runtime::Id) -> bool {
        self.runtime == runtime
    }

    /// Returns whether it takes further requests, now or when others have ended.
    pub(super) fn is_open(&self) -> bool {
        self.shared.state().sender.is_some() && Instant::now() < self.shared.retired
    }

    /// Returns whether nothing is under way on it.
    pub(super) fn is_idle(&self) -> bool {
        self.shared.state().active == 0
    }

    /// Returns whether its peer allows no requests at all, for now.
    pub(super) fn is_barred(&self) -> bool {
        let state = self.shared.state();
        state.sender.is_some() && state.max == 0
    }

    /// Takes no further request.
    pub(super) fn close(&self) {
        self.shared.close();
        self.changes.send_replace(());
    }

    /// Takes a place on it, if there is one.
    pub(in crate::transport) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let now = Instant::now();
        if now >= self.shared.retired {
            return None;
        }
        let mut state = self.shared.state();
        if self.shared.is_suspected(&mut state) {
            return None;
        }
        let max = state.max;
        if state.active >= max {
            return None;
        }
        let sender = state.sender.as_mut()?;
        // The peer may have said that it ends the connection since the task was here.
        if has_ended(sender) {
            return None;
        }
        let sender = sender.clone();
        let was_idle = state.active == 0;
        if was_idle {
            state.busy_since = now;
        }
        state.active += 1;
        let is_reused = std::mem::replace(&mut state.was_used, true);
        drop(state);
        if was_idle {
            self.changes.send_replace(());
        }
        Some(Seat {
            session: Arc::clone(self),
            sender,
            is_reused,
            unanswered: None,
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Returns whether a connection takes no further request, going by what was read from it.
fn has_ended(sender: &mut SendRequest<Bytes>) -> bool {
    let mut nowhere = Context::from_waker(Waker::noop());
    matches!(sender.poll_ready(&mut nowhere), Poll::Ready(Err(_)))
}

// ===== impl Shared =====

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn http2(&self) -> Http2 {
        self.http2
    }

    /// Returns whether the peer is suspected to be gone: nothing was read since.
    fn is_suspected(&self, state: &mut State) -> bool {
        let reads = self.notes.reads();
        state.suspected = state.suspected.filter(|suspected| *suspected == reads);
        state.suspected.is_some()
    }

    /// Returns when the task that drives the connection has something to do.
    pub(super) fn plan(&self) -> Plan {
        let mut state = self.state();
        let end_at = (state.active == 0).then(|| {
            if state.sender.is_none() {
                later(state.idle_since, CLOSING)
            } else {
                later(state.idle_since, self.http2.idle_timeout).min(self.retired)
            }
        });
        let ping_at = if self.is_suspected(&mut state) {
            Some(self.notes.last_read())
        } else {
            // What was silent before there was a request was right to be.
            let heard = self.notes.last_read().max(state.busy_since);
            (state.active > 0).then(|| later(heard, self.http2.ping_after))
        };
        Plan { end_at, ping_at }
    }

    /// Closes the connection if nothing is under way on it, and returns whether it was closed
    /// before and has not ended by itself.
    pub(super) fn end_if_idle(&self) -> bool {
        let mut state = self.state();
        if state.active > 0 {
            return false;
        }
        let was_closed = state.sender.take().is_none();
        if !was_closed {
            state.idle_since = Instant::now();
        }
        was_closed
    }

    /// Takes no further request.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if state.sender.take().is_some() {
            state.idle_since = Instant::now();
        }
        drop(state);
        self.place.changed();
    }

    /// Looks whether the peer has given a sign of life, and whether it allows more or fewer
    /// requests, or none any more.
    pub(super) fn look(&self) {
        let mut state = self.state();
        let is_cleared = state.suspected.is_some() && !self.is_suspected(&mut state);
        let Some(sender) = state.sender.as_mut() else {
            return;
        };
        let has_ended = has_ended(sender);
        let max = sender.current_max_send_streams();
        if has_ended {
            drop(state);
            return self.close();
        }
        let changed = std::mem::replace(&mut state.max, max) != max;
        drop(state);
        if changed || is_cleared {
            self.place.changed();
        }
    }

    /// Notes that the peer gave no sign of life.
    pub(super) fn note_silence(&self) {
        self.was_silent.store(true, Ordering::Release);
    }

    /// Returns what a failure on this connection means for the request of this stream.
    pub(super) fn judge(&self, error: &h2::Error, stream: u32) -> StreamError {
        let circumstances = Circumstances {
            is_unwritten: self.notes.is_unbegun(stream),
            was_silent: self.was_silent.load(Ordering::Acquire),
        };
        StreamError::of(error, circumstances)
    }
}

// ===== impl Seat =====

impl Seat {
    pub(in crate::transport) fn id(&self) -> u64 {
        self.session.id
    }

    pub(in crate::transport) fn ip(&self) -> IpAddr {
        self.session.ip()
    }

    /// Returns whether its connection has carried a request before the present one.
    pub(in crate::transport) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns whether its connection takes further requests.
    pub(in crate::transport) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.session.shared
    }

    /// Notes that the request is handed over.
    pub(super) fn note_sent(&mut self) {
        self.unanswered = Some((Instant::now(), self.shared().notes.reads()));
    }

    /// Notes that the exchange has an outcome, which says enough about the connection.
    pub(super) fn note_outcome(&mut self) {
        self.unanswered = None;
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let shared = &self.session.shared;
        let now = Instant::now();
        let mut state = shared.state();
        state.active = state.active.saturating_sub(1);
        let mut is_news = state.active == 0;
        if is_news {
            state.idle_since = now;
        }
        if let Some((since, reads)) = self.unanswered
            && now - since >= SUSPICIOUS
            && shared.notes.reads() == reads
        {
            state.suspected = Some(reads);
            is_news = true;
        }
        drop(state);
        if is_news {
            self.session.changes.send_replace(());
        }
        shared.place.freed();
    }
}
