//! An exchange, from its request to the head of its response.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "http2")]
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::attempt::{Attempt, Progress};
use crate::balance::{Exchange, Outcome, pause_asked};
use crate::body::Body;
use crate::error::Error;
use crate::phase::Phase;
use crate::streaming::WantsStream;
use crate::transport::body::{Inner, TransportBody};
use crate::transport::connection::{Connection, Handover};
#[cfg(feature = "http2")]
use crate::transport::http2::Seat;
use crate::transport::later::later;
use crate::transport::lease::{Held, Lease};
use crate::transport::link::Link;
use crate::transport::outgoing::is_delicate;
use crate::transport::pool::Pool;
use crate::transport::pools::Pools;
use crate::transport::resolve::NameCache;
use crate::transport::settings::Settings;
use crate::transport::target::Target;
use crate::transport::tried::Tried;
use crate::transport::unconnected::{no_address, too_slow, unconnected};
use crate::transport::way::Way;

/// The largest body of a request that certainly is in the kernel's buffers when its response
/// arrives.
const SMALL_BODY: usize = 16 * 1024;

/// How often a request whose HTTP/2 connection has ended under it goes to another one within its
/// attempt. After that it is the retry policy's to decide, which waits.
#[cfg(feature = "http2")]
const MAX_MOVES: usize = 3;

/// What the clones of a transport share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) names: NameCache,
    pub(super) pools: Pools,
}

/// What becomes of a request that was given to a connection.
enum Sent {
    /// There is the head of a response.
    Answered(Response<TransportBody>),
    /// It was not sent, and goes to another connection.
    Moved(Request<Body>, Exchange<IpAddr>),
}

/// An exchange on its way.
struct Course<'a> {
    shared: &'a Shared,
    pool: &'a Arc<Pool>,
    facts: &'a Facts,
    exchange: Exchange<IpAddr>,
}

/// What the layers say about an attempt, in the extensions of its request.
struct Facts {
    progress: Option<Arc<Progress>>,
    tried: Tried,
    is_stream: bool,
    /// Whether its request cannot be sent twice, and its body can be held back.
    is_delicate: bool,
}

impl Shared {
    pub(super) async fn exchange(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<TransportBody>, Error> {
        let target = Target::of(&request)?;
        self.settings.security.check(&target)?;
        let Settings {
            config, observer, ..
        } = &self.settings;
        let pool = self.pools.of(&target, config, observer.as_ref());
        Target::complete(&mut request, pool.host(&target)?);
        let facts = Facts::of(&request);
        for connection in facts.tried.connections() {
            // It led to an attempt that has to be repeated.
            pool.discard(connection);
        }

        facts.note(Phase::Resolving);
        let mut start = Instant::now();
        let mut ips = self.addresses(&pool, &target).await;
        facts.note(Phase::Connecting);
        let mut permit = None;
        if !pool.multiplexes(&target, config) {
            permit = pool.try_begin();
            if permit.is_none() {
                permit = Some(Box::pin(pool.begin()).await?);
                // What was found before it waited may have changed.
                start = Instant::now();
                ips = self.addresses(&pool, &target).await;
            }
        }
        // The time for connecting.
        let until = later(start, config.connect_timeout);
        let chosen = pool.choose(ips.as_deref().ok(), &facts.tried, request.extensions());
        let mut exchange = match chosen {
            Some(exchange) => exchange?,
            None => return Err(ips.err().unwrap_or_else(no_address)),
        };
        let mut way = Way::new((&pool, &target, &self.settings), &facts.tried, ips, until);
        #[cfg(feature = "http2")]
        let mut moves = 0;
        loop {
            let (link, obtained) = way.obtain(exchange).await?;
            let course = Course {
                shared: self,
                pool: &pool,
                facts: &facts,
                exchange: obtained,
            };
            let sent = match link {
                Link::Http1(connection) => {
                    if permit.is_none() {
                        // It was thought that it would share a connection with others.
                        permit = Some(Box::pin(pool.begin()).await?);
                    }
                    course.send_http1(connection, &mut permit, request).await?
                }
                #[cfg(feature = "http2")]
                Link::Http2(seat) => {
                    // It has its place among the others on its connection.
                    drop(permit.take());
                    let may_move = moves < MAX_MOVES;
                    moves += 1;
                    let scheme = &target.scheme;
                    course.send_http2((seat, scheme), request, may_move).await?
                }
            };
            match sent {
                Sent::Answered(response) => return Ok(response),
                Sent::Moved(again, moved) => (request, exchange) = (again, moved),
            }
        }
    }

    /// Returns the addresses of the target.
    async fn addresses(&self, pool: &Pool, target: &Target) -> Result<Arc<[IpAddr]>, Error> {
        let known = pool.literal(target);
        match known.or_else(|| self.names.fresh(target.host())) {
            Some(ips) => Ok(ips),
            None => Box::pin(self.look_up(target)).await,
        }
    }

    /// Asks for the addresses of the target.
    async fn look_up(&self, target: &Target) -> Result<Arc<[IpAddr]>, Error> {
        let lookup = self.names.addresses(target.host());
        match timeout(self.settings.config.connect_timeout, lookup).await {
            Ok(Ok(ips)) => Ok(ips),
            Ok(Err(error)) => {
                let text = format!("the name could not be resolved: {error}");
                Err(unconnected(io::Error::new(error.kind(), text)))
            }
            Err(_) => Err(too_slow("resolved", self.settings.config.connect_timeout)),
        }
    }
}

// ===== impl Course =====

impl Course<'_> {
    /// Sends a request over HTTP/1.1.
    async fn send_http1(
        self,
        mut connection: Box<Connection>,
        permit: &mut Option<OwnedSemaphorePermit>,
        request: Request<Body>,
    ) -> Result<Sent, Error> {
        self.facts.tried.note(connection.id(), connection.ip());
        let is_simple = request
            .body()
            .bytes()
            .is_some_and(|bytes| bytes.len() <= SMALL_BODY);
        let ask_after = self.shared.settings.config.ask_after;
        let handover = if self.facts.is_delicate
            && ask_after < Duration::MAX
            && self.pool.answers_expectations()
            && !connection.was_alive_within(ask_after)
        {
            Handover::WhenAsked {
                is_known: self.pool.has_asked(),
            }
        } else {
            Handover::AtOnce
        };
        let is_reused = connection.is_reused();
        let asks = handover != Handover::AtOnce;
        let again = (is_reused || asks).then(|| copy_of(&request));
        let progress = self.facts.progress.as_ref();
        match (connection.send(request, progress, handover).await, again) {
            (Ok(response), Some(again))
                if asks
                    && response.status() == StatusCode::EXPECTATION_FAILED
                    && !again.body().is_begun() =>
            {
                self.pool.expect_no_answer();
                Ok(Sent::Moved(again, self.exchange))
            }
            (Ok(response), _) => {
                if connection.was_question_ignored() {
                    self.pool.expect_no_answer();
                }
                if connection.has_asked() {
                    self.pool.note_asked();
                }
                let id = connection.id();
                let held = Held::Http1 {
                    connection,
                    pool: Arc::clone(self.pool),
                    is_simple,
                    permit: permit.take(),
                };
                Ok(self.answered(response.map(Inner::Http1), id, held))
            }
            // A new connection that breaks at once says more about the peer than about the
            // connection.
            (Err(error), Some(again))
                if error.is_unsent && is_reused && !again.body().is_begun() =>
            {
                Ok(Sent::Moved(again, self.exchange))
            }
            // The caller's own stream has failed.
            (Err(error), _) if error.cause.is_user() => {
                self.exchange.end(Outcome::NotMade);
                Err(Error::transport(error.cause))
            }
            (Err(error), _) => {
                self.exchange.end(Outcome::Failed);
                Err(if error.is_unsent {
                    unconnected(error.cause)
                } else {
                    Error::transport(error.cause)
                })
            }
        }
    }

    /// Sends a request over HTTP/2.
    #[cfg(feature = "http2")]
    async fn send_http2(
        self,
        (mut seat, scheme): (Seat, &Scheme),
        request: Request<Body>,
        may_move: bool,
    ) -> Result<Sent, Error> {
        self.facts.tried.note(seat.id(), seat.ip());
        let again = (may_move && seat.is_reused()).then(|| copy_of(&request));
        let progress = self.facts.progress.as_ref();
        let sent = seat.send(request, progress, scheme).await;
        match (sent, again) {
            (Ok(response), _) => {
                let id = seat.id();
                let held = Held::Http2(seat);
                Ok(self.answered(response.map(Inner::Http2), id, held))
            }
            // As long as the connection takes requests, sending it again at once would be no
            // better.
            (Err(error), Some(again))
                if error.is_unsent() && !seat.is_open() && !again.body().is_begun() =>
            {
                Ok(Sent::Moved(again, self.exchange))
            }
            (Err(error), _) => {
                self.exchange.end(if error.is_callers() {
                    Outcome::NotMade
                } else {
                    Outcome::Failed
                });
                Err(error.into_error())
            }
        }
    }

    /// Notes what the head of a response says. `held` is what its body needs, and `connection` its
    /// number.
    fn answered(self, mut response: Response<Inner>, connection: u64, held: Held) -> Sent {
        let mut exchange = self.exchange;
        if let Some(pause) = pause_asked(&response, &self.shared.settings.clock) {
            self.pool.balancer().pause(exchange.key(), pause);
        }
        exchange.note_status(response.status());
        // Another connection would not change what the peer decided about the caller.
        if response.status().is_client_error() {
            self.facts.tried.forget(connection);
        }
        let exchange = if self.facts.is_stream && response.status().is_success() {
            // Its body is read as slowly as the caller likes.
            response.extensions_mut().insert(exchange.complete_head());
            None
        } else {
            Some(exchange)
        };
        let lease = Lease::new(held, exchange);
        Sent::Answered(response.map(|inner| TransportBody::new(inner, lease)))
    }
}

// ===== impl Facts =====

impl Facts {
    fn of(request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        let attempt = Attempt::of(extensions);
        Self {
            progress: attempt.map(|attempt| Arc::clone(&attempt.progress)),
            tried: extensions.get().cloned().unwrap_or_default(),
            is_stream: extensions.get::<WantsStream>().is_some(),
            is_delicate: is_delicate(request),
        }
    }

    fn note(&self, phase: Phase) {
        if let Some(progress) = &self.progress {
            progress.advance(phase);
        }
    }
}

/// Copies a request, to send it on another connection if nothing of it goes out on this one. Its
/// extensions have said what they have to say.
fn copy_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}
