//! A connection in use.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::balance::{Exchange, Outcome};
use crate::transport::connection::Connection;
#[cfg(feature = "http2")]
use crate::transport::http2::Seat;
use crate::transport::pool::Pool;

/// The connection of an exchange whose response is being read, and its place among the exchanges
/// under way.
///
/// When it is dropped a connection of HTTP/1.1 goes back to its pool, once it is free. One that
/// does not become free, because the rest of the response or of the request is still on its way, is
/// closed.
#[derive(Debug)]
pub(super) struct Lease(Option<Parts>);

#[derive(Debug)]
struct Parts {
    held: Held,
    /// `None` once its end is known.
    exchange: Option<Exchange<IpAddr>>,
}

/// What the body of a response needs.
#[derive(Debug)]
pub(super) enum Held {
    Http1 {
        connection: Box<Connection>,
        pool: Arc<Pool>,
        /// Whether the connection is free at once after a response that was read to its end.
        is_simple: bool,
        permit: Option<OwnedSemaphorePermit>,
    },
    /// A place on a connection, which is free when this is dropped.
    #[cfg(feature = "http2")]
    Http2(#[expect(dead_code, reason = "it is held")] Seat),
}

impl Lease {
    pub(super) const fn new(held: Held, exchange: Option<Exchange<IpAddr>>) -> Self {
        Self(Some(Parts { held, exchange }))
    }

    /// Notes that the response broke off.
    pub(super) fn broke(&mut self) {
        if let Some(exchange) = self.0.as_mut().and_then(|parts| parts.exchange.take()) {
            exchange.end(Outcome::Failed);
        }
    }

    /// Gives the connection back after a response that was read to its end.
    pub(super) fn complete(mut self) {
        if let Some(exchange) = self.0.as_mut().and_then(|parts| parts.exchange.take()) {
            exchange.complete();
        }
        let is_simple = |parts: &mut Parts| {
            matches!(
                parts.held,
                Held::Http1 {
                    is_simple: true,
                    ..
                }
            )
        };
        if let Some(Parts {
            held:
                Held::Http1 {
                    connection,
                    pool,
                    permit,
                    ..
                },
            ..
        }) = self.0.take_if(is_simple)
        {
            // The next exchange may begin once the connection is there.
            pool.put(connection);
            drop(permit);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(parts) = self.0.take() else {
            return;
        };
        // Without a runtime, nothing drives the connection either.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        drop(parts.exchange);
        match parts.held {
            Held::Http1 {
                mut connection,
                pool,
                permit,
                ..
            } => drop(runtime.spawn(async move {
                if connection.is_ready() || connection.becomes_ready().await {
                    pool.put(connection);
                }
                drop(permit);
            })),
            #[cfg(feature = "http2")]
            Held::Http2(_) => {}
        }
    }
}
