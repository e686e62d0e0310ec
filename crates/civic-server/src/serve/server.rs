//! Serves until it is told to stop, and lets requests in flight finish.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection;
use super::listener::{self, Listener, MemoryConnector};
use super::settings::{Phases, Settings};
use super::stream::Io;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::shutdown::Shutdown;

/// How long to wait when the system has no connection to give: it is out of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that accepts connections, and serves a router on them.
///
/// Its bounds, and what happens at its end, are described in the [module docs](super).
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    local_addr: SocketAddr,
    settings: Settings,
}

// ===== impl Server =====

impl Server {
    /// Listens on a host and a port. Port 0 chooses a free one, which
    /// [`local_addr`](Self::local_addr) tells.
    ///
    /// Connections are accepted by the operating system from here on, and answered once
    /// [`serve`](Self::serve) runs.
    ///
    /// # Errors
    ///
    /// Fails if the host has no address, or if the address is taken or not this machine's. The
    /// error names the address.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((host, port)).await;
        let listener = listener.map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    ". Another program listens there: stop it, or choose another port"
                }
                io::ErrorKind::AddrNotAvailable => {
                    ". That is no address of this machine: 0.0.0.0 is all of them, 127.0.0.1 is \
                     for this machine only"
                }
                io::ErrorKind::PermissionDenied => {
                    ". Choose a port of 1024 or higher, or allow the process to use lower ones"
                }
                _ => "",
            };
            io::Error::new(
                error.kind(),
                format!("cannot listen on {host}:{port}: {error}{remedy}"),
            )
        })?;
        Self::new(Listener::Tcp(listener))
    }

    /// Serves on a socket that listens already: one of a test, or one that a supervisor passed on.
    ///
    /// # Errors
    ///
    /// Fails if the socket has no address, or cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with its I/O driver enabled.
    pub fn from_listener(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::new(Listener::Tcp(tokio::net::TcpListener::from_std(listener)?))
    }

    /// Serves on the socket that systemd has passed on (`sd_listen_fds(3)`), or returns `None` if
    /// it has passed none to this process.
    ///
    /// While the process is restarted, systemd keeps the socket, and callers wait in its queue
    /// instead of being refused.
    ///
    /// # Errors
    ///
    /// Fails if systemd has passed several sockets, or one that is not a TCP socket, and on a
    /// system that does not let a process duplicate its own descriptors (`pidfd_getfd(2)`, Linux
    /// 5.6).
    ///
    /// # Panics
    ///
    /// Panics as [`from_listener`](Self::from_listener).
    #[cfg(target_os = "linux")]
    pub fn from_systemd() -> io::Result<Option<Self>> {
        super::systemd::listener()?
            .map(Self::from_listener)
            .transpose()
    }

    /// Creates a server that listens on no socket, for tests: its connections are made by the
    /// connector, and nothing leaves the process. With tokio's paused time, its timeouts take no
    /// time.
    #[must_use]
    pub fn in_memory() -> (Self, MemoryConnector) {
        let (listener, connector) = listener::in_memory();
        let server = Self {
            local_addr: listener::NOWHERE,
            listener,
            settings: Settings::default(),
        };
        (server, connector)
    }

    fn new(listener: Listener) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            settings: Settings::default(),
        })
    }

    /// Sets for how long connections are accepted after the drain has begun.
    ///
    /// It has to be longer than load balancers need to notice that the service is not ready, and
    /// longer than clients keep an idle connection.
    ///
    /// Defaults to 5 s.
    #[must_use]
    pub const fn with_drain_delay(mut self, delay: Duration) -> Self {
        self.settings.drain_delay = delay;
        self
    }

    /// Sets how long requests in flight may take after the drain delay is over.
    ///
    /// Defaults to 15 s.
    #[must_use]
    pub const fn with_drain_limit(mut self, limit: Duration) -> Self {
        self.settings.drain_limit = limit;
        self
    }

    /// Sets how long the head of a request may take, from its first byte on. A TLS handshake has
    /// the same time.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.head = timeout;
        self
    }

    /// Sets how long a connection is kept without a request.
    ///
    /// It has to be longer than the proxies in front of the service keep theirs, or they send a
    /// request on a connection that is being closed.
    ///
    /// Defaults to 75 s.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.idle = timeout;
        self
    }

    /// Sets how long a request's body may pause.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub const fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.body = timeout;
        self
    }

    /// Sets for how long a caller may not take the answer that is being sent.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub const fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeouts.write = timeout;
        self
    }

    /// Sets how large the head of a request may be.
    ///
    /// Defaults to 16 KiB.
    #[must_use]
    pub const fn with_max_head_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_head_bytes = bytes;
        self
    }

    /// Serves over TLS.
    ///
    /// Defaults to plain connections.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Returns the address that the server listens on. In memory it is `0.0.0.0:0`.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `app` until `shutdown` has begun and the drain is over, as the [module docs](super)
    /// say.
    ///
    /// HTTP/1.1 and HTTP/2 are served on the same socket. Each request has its caller's address in
    /// its extensions, as axum's `ConnectInfo<SocketAddr>`, and a clone of `shutdown`.
    ///
    /// # Errors
    ///
    /// None at present: no error of a single connection ends the server, and neither does a system
    /// that is out of descriptors.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket and cuts off every connection.
    pub async fn serve(self, app: Router, shutdown: &Shutdown) -> io::Result<()> {
        let Self {
            mut listener,
            settings,
            ..
        } = self;
        let settings = Arc::new(settings);
        let phases = Phases {
            shutdown: shutdown.clone(),
            closing: CancellationToken::new(),
        };
        // Dropped with this future, and the connections with it.
        let mut connections = JoinSet::new();
        let serve = |connections: &mut JoinSet<()>, (io, peer): (Box<dyn Io>, SocketAddr)| {
            connections.spawn(connection::serve(
                io,
                peer,
                app.clone(),
                Arc::clone(&settings),
                phases.clone(),
            ));
        };

        // `None` until the drain begins.
        let mut closes_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = shutdown.aborting() => break,
                () = shutdown.draining(), if closes_at.is_none() => {
                    tracing::info!("stopping: no longer ready, requests in flight are finished");
                    closes_at = Some(Instant::now() + settings.drain_delay);
                }
                () = sleep_until(closes_at.unwrap_or_else(Instant::now)), if closes_at.is_some() => {
                    break;
                }
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(connection) => serve(&mut connections, connection),
                    Err(error) => pause_after(&error).await,
                }
            }
        }
        // What the system has accepted for this socket would be reset with it.
        while let Some(connection) = listener.accepted_already().await {
            serve(&mut connections, connection);
        }
        drop(listener);
        phases.closing.cancel();

        let in_flight = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            biased;
            () = in_flight => {}
            () = shutdown.aborting() => {
                tracing::warn!("told to stop at once: open requests are cut off");
            }
            () = sleep(settings.drain_limit) => {
                tracing::warn!("the drain limit is over: open requests are cut off");
            }
        }
        Ok(())
    }
}

/// Waits after an error of the system, unless it was about one connection only.
async fn pause_after(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    tracing::warn!(%error, "no connection can be accepted for the moment");
    sleep(ACCEPT_PAUSE).await;
}
