//! The connections to one peer.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::Response;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::Error;
use crate::transport::avoided::Avoided;
use crate::transport::config::TransportConfig;
use crate::transport::connection::Connection;
use crate::transport::pauses::Pauses;
use crate::transport::tried::Tried;

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
    pauses: Pauses,
    /// The least recently used one first.
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(config: &TransportConfig) -> Self {
        let max = config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            exchanges: Arc::new(Semaphore::new(max)),
            sockets: Arc::new(Semaphore::new(max)),
            max_idle: config.max_idle,
            answers_expectations: AtomicBool::new(true),
            has_asked: AtomicBool::new(false),
            pauses: Pauses::default(),
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

    /// Notes what an answer of this address says about when it takes requests again.
    pub(super) fn note_pause<B>(&self, ip: IpAddr, response: &Response<B>, now: SystemTime) {
        self.pauses.note(ip, response, now);
    }

    /// Returns which addresses an attempt of a call had better not go to.
    pub(super) fn avoided(&self, tried: &Tried) -> Avoided {
        Avoided {
            paused: self.pauses.under_way(),
            used: tried.ips(),
        }
    }

    /// Lets another exchange begin, if there are not too many.
    pub(super) fn try_begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.exchanges).try_acquire_owned().ok()
    }

    /// Waits until another exchange may begin. The first to wait is the first to go on.
    pub(super) async fn begin(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.exchanges).acquire_owned().await;
        permit.map_err(Error::transport)
    }

    /// Waits until another socket may be opened. An idle connection gives way.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
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

    /// Takes the most recently used connection that may carry another request: to one of `ips`, the
    /// addresses that the peer has now, if they are known, and none that an earlier attempt used.
    /// One to an avoided address is taken only if the peer has no better one.
    pub(super) fn take(
        &self,
        ips: Option<&[IpAddr]>,
        tried: &Tried,
        avoided: &Avoided,
    ) -> Option<Connection> {
        let now = Instant::now();
        let runtime = Handle::current().id();
        let mut idle = self.idle();
        idle.retain(|connection| {
            connection.is_usable(now) && ips.is_none_or(|ips| ips.contains(&connection.ip()))
        });
        let index = idle.iter().rposition(|connection| {
            connection.is_of(runtime)
                && !tried.used(connection.id())
                && !ips.is_some_and(|ips| avoided.leaves_better(connection.ip(), ips))
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
