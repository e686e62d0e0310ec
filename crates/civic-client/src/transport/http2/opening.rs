//! How an HTTP/2 connection begins.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::observe::Opened;
use crate::transmission::Transmission;
use crate::transport::config::TransportConfig;
use crate::transport::http2::config::Http2;
use crate::transport::http2::drive::drive;
use crate::transport::http2::place::Place;
use crate::transport::http2::session::{Session, Shared};
use crate::transport::http2::wire::{Greeting, Wire};
use crate::transport::stream::Stream;
use crate::transport::unconnected::unconnected;

/// How much of a response that is not read is in memory.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How much of all responses on a connection together is: as much as there can be. With less, those
/// that no one reads would hold up the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How much more than their bytes small pieces of responses that are not read may cost.
const PIECES: usize = 16 * 1024 * 1024;

/// How long the head of a response may be.
const MAX_HEAD: u32 = 64 * 1024;

/// How much of the bodies of requests waits for the socket.
const SEND_BUFFER: usize = 256 * 1024;

/// A connection on which both sides have begun, and which is not driven yet.
pub(in crate::transport) struct Opening {
    session: Session,
    shared: Arc<Shared>,
    changes: watch::Receiver<()>,
    connection: Connection<Wire, Bytes>,
}

/// Begins to speak HTTP/2 over `stream`, and waits until the peer has sent its settings.
pub(in crate::transport) async fn open(
    stream: Stream,
    address: SocketAddr,
    place: Arc<Place>,
    settings: (&TransportConfig, Http2),
) -> Result<Opening, Error> {
    let (wire, notes) = Wire::new(stream);
    let begun = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(PIECES)
        .max_header_list_size(MAX_HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        // The peer has said how many there may be before there is the first one.
        .initial_max_send_streams(0)
        .handshake::<_, Bytes>(wire)
        .await;
    let (sender, mut connection) = begun.map_err(unconnected)?;
    let ended = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if notes.greeting() == Greeting::Settings => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if let Some(ended) = ended {
        return Err(refusal(notes.greeting(), ended.err().as_ref()));
    }
    let (session, shared, changes) = Session::new(address, sender, notes, place, settings);
    Ok(Opening {
        session,
        shared,
        changes,
        connection,
    })
}

impl Opening {
    /// Drives the connection. `held` is held until the socket is closed.
    pub(in crate::transport) fn start(self, held: (OwnedSemaphorePermit, Opened)) -> Arc<Session> {
        tokio::spawn(drive(self.connection, self.shared, self.changes, held));
        Arc::new(self.session)
    }
}

/// Returns why a connection ended that began like this.
fn refusal(greeting: Greeting, error: Option<&h2::Error>) -> Error {
    let why = match greeting {
        Greeting::Http1 => {
            "the peer speaks HTTP/1.1 and not HTTP/2: call it without Http2::prior_knowledge"
        }
        Greeting::Tls => "the peer answers with TLS: its URL begins with https://",
        Greeting::Other => {
            "the peer speaks neither HTTP/2 nor HTTP/1.1; is it the port of another service?"
        }
        Greeting::None | Greeting::Settings => {
            let text = "the peer closed the connection before it had sent its HTTP/2 settings";
            return unconnected(io::Error::new(io::ErrorKind::ConnectionAborted, text));
        }
    };
    let refused = Error::new(ErrorKind::Protocol)
        .with_transmission(Transmission::NotSent)
        .with_detail(why);
    match error.and_then(h2::Error::get_io) {
        Some(io) => refused.with_source(io::Error::from(io.kind())),
        None => refused,
    }
}
