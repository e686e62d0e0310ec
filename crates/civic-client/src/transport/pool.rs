//! The connections to one peer.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::uri::Authority;
#[cfg(feature = "http2")]
use http::uri::Scheme;
use http::{Extensions, HeaderValue};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::balance::{Balancer, Exchange, Watcher};
use crate::error::Error;
use crate::observe::Teller;
use crate::random::random;
use crate::transport::config::TransportConfig;
use crate::transport::connection::Connection;
use crate::transport::dial::dial;
#[cfg(feature = "http2")]
use crate::transport::http2::{self, Choice, Sessions};
use crate::transport::idle::Idle;
use crate::transport::link::Link;
use crate::transport::settings::Settings;
use crate::transport::target::Target;
use crate::transport::tried::Tried;
use crate::transport::unconnected::{too_slow, unconnected};

/// The connections to one authority.
#[derive(Debug)]
pub(super) struct Pool {
    /// One permit per exchange under way.
    exchanges: Arc<Semaphore>,
    /// One permit per open socket.
    sockets: Arc<Semaphore>,
    max_idle: usize,
    /// Whether the peer answers the question whether it wants a body, as far as is known.
    answers_expectations: AtomicBool,
    /// Whether it has answered it.
    has_asked: AtomicBool,
    /// What is known about the addresses of the peer.
    balancer: Balancer<IpAddr>,
    teller: Teller,
    /// The value of `Host`, in the letters of the first request.
    host: OnceLock<(Authority, HeaderValue)>,
    /// The address, if the host is one and no name.
    literal: OnceLock<Option<Arc<[IpAddr]>>>,
    idle: Mutex<Idle>,
    /// Whether there may be connections that carry several requests at once.
    #[cfg(feature = "http2")]
    may_share: bool,
    #[cfg(feature = "http2")]
    sessions: Sessions,
}

/// A connection that was opened.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) ip: IpAddr,
    /// `None` if its peer allows no requests for now.
    pub(super) link: Option<Link>,
}

impl Pool {
    pub(super) fn new(config: &TransportConfig, teller: Teller) -> Self {
        let told = teller.clone();
        let watcher = Watcher::new(move |ip: &IpAddr, state| told.breaker(*ip, state));
        let max = config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            exchanges: Arc::new(Semaphore::new(max)),
            sockets: Arc::new(Semaphore::new(max)),
            max_idle: config.max_idle,
            answers_expectations: AtomicBool::new(true),
            has_asked: AtomicBool::new(false),
            balancer: Balancer::watched(config.breaker, random(), Some(watcher)),
            teller,
            host: OnceLock::new(),
            literal: OnceLock::new(),
            idle: Mutex::default(),
            #[cfg(feature = "http2")]
            may_share: config.http2.is_some(),
            #[cfg(feature = "http2")]
            sessions: Sessions::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value of `Host` for requests to `target`.
    pub(super) fn host(&self, target: &Target) -> Result<HeaderValue, Error> {
        let prepared = self.host.get();
        // Another request may spell the same host with other letters.
        if let Some((authority, host)) = prepared
            && authority.as_str() == target.authority.as_str()
        {
            return Ok(host.clone());
        }
        let host = target.host_header()?;
        // If another one was faster, that is prepared.
        let _ = self.host.set((target.authority.clone(), host.clone()));
        Ok(host)
    }

    /// Returns the address of `target` if its host is one and no name.
    pub(super) fn literal(&self, target: &Target) -> Option<Arc<[IpAddr]>> {
        let literal = || target.ip().map(|ip| Arc::from([ip]));
        self.literal.get_or_init(literal).clone()
    }

    /// Returns whether the peer answers the question whether it wants a body.
    pub(super) fn answers_expectations(&self) -> bool {
        self.answers_expectations.load(Ordering::Relaxed)
    }

    /// Returns whether the peer has said that it wants the body of a request.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Notes that the peer has said that it wants the body of a request.
    pub(super) fn note_asked(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// Notes that the peer does not answer it.
    pub(super) fn expect_no_answer(&self) {
        self.answers_expectations.store(false, Ordering::Relaxed);
    }

    pub(super) const fn balancer(&self) -> &Balancer<IpAddr> {
        &self.balancer
    }

    /// Chooses one of the addresses of the peer for an attempt with these extensions; of those that
    /// it has idle connections to, if its addresses are not known. `None` if there is none.
    pub(super) fn choose(
        &self,
        ips: Option<&[IpAddr]>,
        tried: &Tried,
        extensions: &Extensions,
    ) -> Option<Result<Exchange<IpAddr>, Error>> {
        let idle: Vec<_>;
        let ips = match ips {
            Some(ips) => ips,
            None => {
                let connections = self.idle().ips();
                #[cfg(feature = "http2")]
                let connections = [connections, self.sessions.ips()].concat();
                idle = connections;
                &idle
            }
        };
        if ips.is_empty() {
            return None;
        }
        let used = tried.ips();
        Some(Exchange::begin(&self.balancer, ips, &used, extensions))
    }

    /// Lets another exchange begin, if there are not too many.
    pub(super) fn try_begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.exchanges).try_acquire_owned().ok()
    }

    /// Waits until another exchange may begin. The first to wait is the first to go on.
    pub(super) async fn begin(&self) -> Result<OwnedSemaphorePermit, Error> {
        let start = Instant::now();
        let permit = Arc::clone(&self.exchanges).acquire_owned().await;
        self.teller.waited(start);
        permit.map_err(Error::transport)
    }

    /// Waits until another socket may be opened. An idle connection gives way.
    async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.sockets).try_acquire_owned() {
            return Ok(permit);
        }
        let oldest = self.idle().take_oldest(Instant::now());
        #[cfg(feature = "http2")]
        if oldest.is_none() {
            self.sessions.give_way();
        }
        drop(oldest);
        let permit = Arc::clone(&self.sockets).acquire_owned().await;
        permit.map_err(Error::transport)
    }

    /// Opens a connection for `target` to one of `addresses`, within `limit`.
    pub(super) async fn connect(
        &self,
        target: &Target,
        settings: &Settings,
        addresses: &[SocketAddr],
        limit: Duration,
    ) -> Result<Connected, Error> {
        let start = Instant::now();
        let config = &settings.config;
        let connecting = async {
            let socket = self.room().await?;
            let (stream, address) = dial(addresses).await.map_err(unconnected)?;
            let stream = settings.security.secured(target, stream, config).await?;
            let ip = address.ip();
            #[cfg(feature = "http2")]
            if let Some(http2) = config.http2 {
                if stream.has_chosen_http2().unwrap_or(http2.is_assumed) {
                    let place = self.sessions.place(ip);
                    let opening = http2::open(stream, address, place, (config, http2)).await?;
                    let held = (socket, self.teller.opened(address, start));
                    let link = self.sessions.begin(opening.start(held))?;
                    return Ok(Connected {
                        ip,
                        link: link.map(Link::Http2),
                    });
                }
                self.sessions.note_refused();
            }
            let held = (socket, self.teller.opened(address, start));
            let connection = Connection::new(stream, address, config, held).await;
            let link = Some(Link::Http1(connection.map_err(unconnected)?));
            Ok(Connected { ip, link })
        };
        let connected = timeout(limit, connecting).await;
        let connected = connected
            .unwrap_or_else(|_| Err(too_slow("connected to", settings.config.connect_timeout)));
        if connected.is_err() {
            self.teller.not_opened(start.elapsed());
        }
        connected
    }

    /// Takes a place on a connection to `ip` that carries several requests at once, or else the
    /// most recently used connection to `ip` that may carry another request and that no
    /// earlier attempt used. Those to addresses that the peer no longer has are closed: it has
    /// `ips`, if they are known.
    pub(super) fn take(&self, ip: IpAddr, ips: Option<&[IpAddr]>, tried: &Tried) -> Option<Link> {
        #[cfg(feature = "http2")]
        if self.may_share
            && let Some(seat) = self.sessions.take(ip, ips, tried, Choice::Untried)
        {
            return Some(Link::Http2(seat));
        }
        let (now, runtime) = (Instant::now(), Handle::current().id());
        let mut idle = self.idle();
        if let Some(ips) = ips {
            idle.keep_only(ips);
        }
        let connection = idle.take(now, |connection| {
            connection.ip() == ip && connection.is_of(runtime) && !tried.used(connection.id())
        });
        drop(idle);
        let connection = connection?;
        connection.wake();
        Some(Link::Http1(connection))
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, mut connection: Box<Connection>) {
        connection.rest();
        let now = Instant::now();
        if !connection.is_usable(now) || self.max_idle == 0 {
            return;
        }
        let mut idle = self.idle();
        // One that is waited for is not idle for long.
        let max = if self.exchanges.available_permits() > 0 {
            self.max_idle
        } else {
            usize::MAX
        };
        idle.put(connection, now, max);
    }

    /// Returns whether exchanges are expected to share connections, so that there may be more of
    /// them than connections.
    #[cfg_attr(
        not(feature = "http2"),
        expect(clippy::unused_self, unused_variables, reason = "HTTP/1.1 never does")
    )]
    pub(super) fn multiplexes(&self, target: &Target, config: &TransportConfig) -> bool {
        #[cfg(feature = "http2")]
        if let Some(http2) = config.http2 {
            return http2.is_assumed
                || target.scheme == Scheme::HTTPS && self.sessions.has_spoken();
        }
        false
    }

    #[cfg(feature = "http2")]
    pub(super) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns whether no further connection may be opened.
    #[cfg(feature = "http2")]
    pub(super) fn is_full(&self) -> bool {
        self.sockets.available_permits() == 0
            && !self.idle().has_any(Instant::now())
            && !self.sessions.has_idle()
    }

    /// Tells that a request has waited since `start` for others to end.
    #[cfg(feature = "http2")]
    pub(super) fn waited(&self, start: Instant) {
        self.teller.waited(start);
    }

    /// Closes the idle connection with this id, if there is one. One that others share goes on.
    pub(super) fn discard(&self, id: u64) {
        self.idle().discard(id);
    }
}
