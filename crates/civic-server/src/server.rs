//! Serves until it is told to stop, and lets requests in flight finish.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio_util::sync::CancellationToken;

use crate::shutdown::Shutdown;

/// How long requests in flight may take after the drain has begun. No attempt of a client of this
/// platform takes longer.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A socket that accepts connections, and serves a router on them.
#[derive(Debug)]
pub struct Server {
    listener: tokio::net::TcpListener,
    local_addr: SocketAddr,
    drain_limit: Duration,
}

impl Server {
    /// Listens on a host and a port. Port 0 chooses a free one, which
    /// [`local_addr`](Self::local_addr) tells.
    ///
    /// Connections are accepted by the operating system from here on, and answered once
    /// [`serve`](Self::serve) runs.
    ///
    /// # Errors
    ///
    /// Fails if the host has no address, or if the address is taken or not this machine's.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        Self::new(tokio::net::TcpListener::bind((host, port)).await?)
    }

    /// Serves on a socket that listens already: one that a supervisor passed on, say.
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
        Self::new(tokio::net::TcpListener::from_std(listener)?)
    }

    fn new(listener: tokio::net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            drain_limit: DRAIN_LIMIT,
        })
    }

    /// Sets how long requests in flight may take after the drain has begun.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `app` until `shutdown` has begun and the drain is over.
    ///
    /// 1. When `shutdown` begins to drain, no new connection is taken, idle ones are closed, and
    ///    requests in flight are answered.
    /// 2. After the [drain limit](Self::with_drain_limit), or when `shutdown` aborts, the requests
    ///    that are still open are cut off.
    ///
    /// # Errors
    ///
    /// Fails if the socket breaks. No error of a single connection ends the server.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket; connections that are open go on until their request
    /// is answered or the runtime ends.
    pub async fn serve(self, app: Router, shutdown: &Shutdown) -> io::Result<()> {
        // Small answers must not wait for the peer's acknowledgement of the last one.
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY was refused");
            }
        });
        // Not `shutdown` itself: an idle server would be gone before it could say why.
        let drain = CancellationToken::new();
        let server =
            axum::serve(listener, app).with_graceful_shutdown(drain.clone().cancelled_owned());
        let mut server = std::pin::pin!(server.into_future());

        tokio::select! {
            ended = &mut server => return ended,
            () = shutdown.draining() => {}
        }
        tracing::info!("stopping: requests in flight are finished first");
        drain.cancel();
        tokio::select! {
            ended = server => ended,
            () = tokio::time::sleep(self.drain_limit) => {
                tracing::warn!("the drain limit is over: open requests are cut off");
                Ok(())
            }
            () = shutdown.aborting() => {
                tracing::warn!("told to stop at once: open requests are cut off");
                Ok(())
            }
        }
    }
}
