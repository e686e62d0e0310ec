//! Where connections come from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::stream::Io;

/// How many bytes of a connection in memory are on their way at most.
const IN_MEMORY_BYTES: usize = 64 * 1024;

/// The address of both ends of a connection in memory.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A source of connections.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Memory(mpsc::UnboundedReceiver<DuplexStream>),
}

/// Makes connections to a server that listens in memory. Made by
/// [`Server::in_memory`](super::Server::in_memory).
#[derive(Clone, Debug)]
pub struct MemoryConnector(mpsc::UnboundedSender<DuplexStream>);

/// The caller's end of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream(DuplexStream);

// ===== impl Listener =====

impl Listener {
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Memory(_) => Ok(NOWHERE),
        }
    }

    /// Returns the next of the connections that need not be waited for.
    pub(super) async fn accepted_already(&mut self) -> Option<(Box<dyn Io>, SocketAddr)> {
        tokio::select! {
            biased;
            accepted = self.accept() => accepted.ok(),
            () = std::future::ready(()) => None,
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot give this one out: it may have none left, or the caller is gone.
    pub(super) async fn accept(&mut self) -> io::Result<(Box<dyn Io>, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Small answers must not wait for the peer's acknowledgement of the last one.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                Ok((Box::new(stream), peer))
            }
            Self::Memory(connections) => match connections.recv().await {
                Some(stream) => Ok((Box::new(stream), NOWHERE)),
                // No connector is left.
                None => std::future::pending().await,
            },
        }
    }
}

/// Returns a listener in memory and its connector.
pub(super) fn in_memory() -> (Listener, MemoryConnector) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Listener::Memory(receiver), MemoryConnector(sender))
}

// ===== impl MemoryConnector =====

impl MemoryConnector {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ConnectionRefused`] if the server has closed its listener.
    pub fn connect(&self) -> io::Result<MemoryStream> {
        let (near, far) = duplex(IN_MEMORY_BYTES);
        self.0
            .send(far)
            .map(|()| MemoryStream(near))
            .map_err(|_| io::ErrorKind::ConnectionRefused.into())
    }
}

// ===== impl MemoryStream =====

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
