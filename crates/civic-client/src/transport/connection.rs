//! One HTTP/1.1 connection to a peer, and the task that drives it.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper::ext::on_informational;
use hyper_util::rt::TokioIo;
use tokio::runtime::{self, Handle};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::attempt::Progress;
use crate::body::Body;
use crate::gate::Gate;
use crate::observe::Opened;
use crate::phase::Phase;
use crate::random::random;
use crate::transport::config::TransportConfig;
use crate::transport::keep_alive::announced_idle_time;
use crate::transport::later::later;
use crate::transport::outgoing::Outgoing;
use crate::transport::rest::{Look, Rest};
use crate::transport::socket::{Gauge, Socket};
use crate::transport::stream::Stream;

/// How long a peer is waited for that does not say whether it wants the body of a request, if it is
/// not known to answer that question.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same for a new connection to a peer that has answered it on another one.
const KNOWN_CONTINUE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take until it is free for another request after a response.
const SETTLE: Duration = Duration::from_secs(1);

/// One HTTP/1.1 connection to a peer. It is closed when this is dropped.
///
/// A task of the runtime that opened it drives it, and closes it when it was idle for too long. No
/// other runtime uses it: it would stop when that one does.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    address: SocketAddr,
    runtime: runtime::Id,
    /// From when on it takes no further request.
    retired: Instant,
    idle_until: Instant,
    /// Since when it is free; `None` before its first request.
    idle_since: Option<Instant>,
    /// Whether it waits for the body of a request that will not come.
    is_spent: bool,
    /// Whether the peer was asked if it wants a body, and answered without saying so.
    was_question_ignored: bool,
    /// Whether the peer has said that it wants a body.
    has_asked: bool,
    sender: http1::SendRequest<Outgoing>,
    gauge: Arc<Gauge>,
    rest: Arc<Rest>,
    /// For how long it may be idle. The task that drives it ends with this.
    idle_timeout: watch::Sender<Duration>,
}

/// When the body of a request is handed to the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Handover {
    /// With the head of the request.
    AtOnce,
    /// When the peer asks for it (RFC 9110, section 10.1.1).
    ///
    /// A peer that has asked on the same connection before is waited for as long as the attempt
    /// lasts: if it takes longer than it should, it may be about to close the connection. Another
    /// one gets the body after a time without an answer.
    WhenAsked {
        /// Whether the peer has answered this question on another connection.
        is_known: bool,
    },
}

/// Why there is no response.
#[derive(Debug)]
pub(super) struct SendError {
    pub(super) cause: hyper::Error,
    /// Whether the peer received nothing of the request, or its head only while a body was
    /// announced, and so cannot take it for whole.
    pub(super) is_unsent: bool,
}

// ===== impl Connection =====

impl Connection {
    /// Begins to speak HTTP/1.1 over `stream`. `held` is held until the socket is closed.
    pub(super) async fn new(
        stream: Stream,
        address: SocketAddr,
        config: &TransportConfig,
        held: (OwnedSemaphorePermit, Opened),
    ) -> hyper::Result<Box<Self>> {
        let gauge = Arc::new(Gauge::new());
        let socket = Socket::new(stream, Arc::clone(&gauge));
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let now = Instant::now();
        let retired = retirement(config, now);
        let rest = Arc::new(Rest::new(retired));
        let (idle_timeout, changes) = watch::channel(config.idle_timeout);
        tokio::spawn(drive(connection, Arc::clone(&rest), changes, held));
        Ok(Box::new(Self {
            id: next_id(),
            address,
            runtime: Handle::current().id(),
            retired,
            idle_until: now,
            idle_since: None,
            is_spent: false,
            was_question_ignored: false,
            has_asked: false,
            sender,
            gauge,
            rest,
            idle_timeout,
        }))
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Returns whether it has carried a request before the present one.
    pub(super) const fn is_reused(&self) -> bool {
        self.idle_since.is_some()
    }

    /// Returns whether it carried a request less than `time` ago, so that the peer certainly read
    /// what arrived on it then.
    pub(super) fn was_alive_within(&self, time: Duration) -> bool {
        self.idle_since
            .is_some_and(|instant| instant.elapsed() < time)
    }

    /// Returns whether the peer did not answer when it was asked if it wants a body.
    pub(super) const fn was_question_ignored(&self) -> bool {
        self.was_question_ignored
    }

    /// Returns whether the peer has said that it wants the body of a request.
    pub(super) const fn has_asked(&self) -> bool {
        self.has_asked
    }

    /// Returns whether it may carry another request, if it is free.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        !self.is_spent && !self.sender.is_closed() && now < self.idle_until && now < self.retired
    }

    /// Returns whether this runtime opened it.
    pub(super) fn is_of(&self, runtime: runtime::Id) -> bool {
        self.runtime == runtime
    }

    /// Notes that it is free, so that it is closed unless it is used again in time.
    pub(super) fn rest(&mut self) {
        let now = Instant::now();
        self.idle_since = Some(now);
        let idle_timeout = *self.idle_timeout.borrow();
        self.idle_until = later(now, idle_timeout).min(self.retired);
        self.rest.begin(self.idle_until);
    }

    /// Notes that it is about to carry a request.
    pub(super) fn wake(&self) {
        self.rest.end();
    }

    /// Returns whether it can take a request now.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_spent && self.sender.is_ready()
    }

    /// Waits until it can take a request, and returns whether it can. It does not take long, unless
    /// the peer answered before it had read the whole of the last request.
    pub(super) async fn becomes_ready(&mut self) -> bool {
        !self.is_spent && matches!(timeout(SETTLE, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request, and waits for the head of the response. `progress` is that of its attempt.
    ///
    /// With [`Handover::WhenAsked`] the body is held back until the peer asks for it.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        progress: Option<&Arc<Progress>>,
        handover: Handover,
    ) -> Result<Response<Incoming>, SendError> {
        if let Some(progress) = progress {
            progress.advance(Phase::Sending);
        }
        match handover {
            Handover::AtOnce => {
                if let Some(progress) = progress {
                    progress.hold(None);
                }
                self.gauge.reset(progress.cloned());
                let request = request.map(|body| Outgoing::new(body, None));
                let sent = self.sender.try_send_request(request).await;
                self.received(sent, false)
            }
            Handover::WhenAsked { is_known } => {
                let limit = if self.has_asked {
                    Duration::MAX
                } else if is_known {
                    KNOWN_CONTINUE_TIMEOUT
                } else {
                    CONTINUE_TIMEOUT
                };
                Box::pin(self.send_when_asked(request, progress, limit)).await
            }
        }
    }

    /// Sends the head of a request, and its body when the peer asks for it or says nothing for as
    /// long as `limit`.
    async fn send_when_asked(
        &mut self,
        mut request: Request<Body>,
        progress: Option<&Arc<Progress>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        self.gauge.reset(None);
        let gate = Arc::<Gate>::default();
        if let Some(progress) = progress {
            progress.hold(Some(Arc::clone(&gate)));
        }
        let (gauge, progress) = (Arc::clone(&self.gauge), progress.cloned());
        let handed_over = move || {
            if let Some(progress) = &progress {
                gauge.note_end(Arc::clone(progress));
            }
        };
        let asked = Arc::<AtomicBool>::default();
        let headers = request.headers_mut();
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        let (opened, noted) = (Arc::clone(&gate), Arc::clone(&asked));
        let when_asked = handed_over.clone();
        on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                when_asked();
                noted.store(true, Ordering::Relaxed);
                opened.open();
            }
        });
        let request = request.map(|body| Outgoing::new(body, Some(Arc::clone(&gate))));
        let mut sent = pin!(self.sender.try_send_request(request));
        let sent = match timeout(limit, &mut sent).await {
            Ok(sent) => sent,
            Err(_) => {
                handed_over();
                gate.open();
                let sent = sent.await;
                // A peer that was only slow has asked by now.
                self.was_question_ignored = !asked.load(Ordering::Relaxed);
                sent
            }
        };
        self.has_asked |= asked.load(Ordering::Relaxed);
        let is_body_kept = gate.seal();
        self.received(sent, is_body_kept)
    }

    /// Notes what became of a request, and whether its body was held back to the end.
    fn received(
        &mut self,
        sent: Result<Response<Incoming>, TrySendError<Request<Outgoing>>>,
        is_body_kept: bool,
    ) -> Result<Response<Incoming>, SendError> {
        match sent {
            Ok(response) => {
                self.is_spent = is_body_kept;
                self.believe(response.headers());
                Ok(response)
            }
            Err(mut error) => Err(SendError {
                is_unsent: error.take_message().is_some() || self.gauge.seal() || is_body_kept,
                cause: error.into_error(),
            }),
        }
    }

    /// Notes for how long the peer keeps the connection, if it says so.
    fn believe(&self, headers: &HeaderMap) {
        if let Some(time) = announced_idle_time(headers) {
            self.idle_timeout.send_if_modified(|longest| {
                let is_shorter = time < *longest;
                *longest = time.min(*longest);
                is_shorter
            });
        }
    }
}

/// Returns a number that no other connection of this process has.
pub(super) fn next_id() -> u64 {
    static IDS: AtomicU64 = AtomicU64::new(0);
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// Returns from when on a connection that is opened now takes no further request.
pub(super) fn retirement(config: &TransportConfig, now: Instant) -> Instant {
    // From 0.8 to 1.2.
    let factor = 0.8 + 0.4 * (random() as f64 / u64::MAX as f64);
    let age = Duration::try_from_secs_f64(config.max_age.as_secs_f64() * factor);
    later(now, age.unwrap_or(Duration::MAX))
}

/// Drives a connection until it has ended, is let go of or was idle for too long.
async fn drive(
    connection: http1::Connection<TokioIo<Socket>, Outgoing>,
    rest: Arc<Rest>,
    mut idle_timeout: watch::Receiver<Duration>,
    _held: (OwnedSemaphorePermit, Opened),
) {
    let mut connection = pin!(connection);
    loop {
        let longest = *idle_timeout.borrow_and_update();
        let Look::Again(at) = rest.look(longest) else {
            return;
        };
        tokio::select! {
            biased;
            // Its error is the request's as well.
            _ = &mut connection => return,
            changed = idle_timeout.changed() => if changed.is_err() {
                return;
            },
            () = sleep_until(at) => {}
        }
    }
}
