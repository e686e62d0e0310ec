//! The connections to one peer.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Extensions;
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
    /// The least recently used one first.
    idle: Mutex<Vec<Connection>>,
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
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
                idle = self.idle().iter().map(Connection::ip).collect();
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
        {
            let mut idle = self.idle();
            if !idle.is_empty() {
                idle.remove(0);
            }
        }
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
    ) -> Result<Connection, Error> {
        let start = Instant::now();
        let connecting = async {
            let socket = self.room().await?;
            let (stream, address) = dial(addresses).await.map_err(unconnected)?;
            let stream = settings.security.secured(target, stream).await?;
            let held = (socket, self.teller.opened(address, start));
            Connection::new(stream, address, &settings.config, held)
                .await
                .map_err(unconnected)
        };
        let connected = timeout(limit, connecting).await;
        let connected = connected
            .unwrap_or_else(|_| Err(too_slow("connected to", settings.config.connect_timeout)));
        if connected.is_err() {
            self.teller.not_opened(start.elapsed());
        }
        connected
    }

    /// Takes the most recently used connection to `ip` that may carry another request and that no
    /// earlier attempt used. Those to addresses that the peer no longer has are closed: it has
    /// `ips`, if they are known.
    pub(super) fn take(
        &self,
        ip: IpAddr,
        ips: Option<&[IpAddr]>,
        tried: &Tried,
    ) -> Option<Connection> {
        let now = Instant::now();
        let runtime = Handle::current().id();
        let mut idle = self.idle();
        idle.retain(|connection| {
            connection.is_usable(now) && ips.is_none_or(|ips| ips.contains(&connection.ip()))
        });
        let index = idle.iter().rposition(|connection| {
            connection.ip() == ip && connection.is_of(runtime) && !tried.used(connection.id())
        })?;
        let connection = idle.remove(index);
        connection.wake();
        Some(connection)
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, mut connection: Connection) {
        connection.rest();
        let now = Instant::now();
        if !connection.is_usable(now) || self.max_idle == 0 {
            return;
        }
        let mut idle = self.idle();
        idle.retain(|connection| connection.is_usable(now));
        // One that is waited for is not idle for long.
        if self.exchanges.available_permits() > 0 {
            let surplus = (idle.len() + 1).saturating_sub(self.max_idle);
            idle.drain(..surplus);
        }
        idle.push(connection);
    }

    /// Closes the idle connection with this id, if there is one.
    pub(super) fn discard(&self, id: u64) {
        self.idle().retain(|connection| connection.id() != id);
    }
}
