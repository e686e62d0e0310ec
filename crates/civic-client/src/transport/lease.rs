//! A connection in use.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::balance::{Exchange, Outcome};
use crate::transport::connection::Connection;
use crate::transport::pool::Pool;

/// The connection of an exchange whose response is being read, and its place among the exchanges
/// under way.
///
/// When it is dropped the connection goes back to its pool, once it is free. One that does not
/// become free, because the rest of the response or of the request is still on its way, is closed.
#[derive(Debug)]
pub(super) struct Lease(Option<Parts>);

#[derive(Debug)]
struct Parts {
    connection: Connection,
    pool: Arc<Pool>,
    /// Whether it is free at once after a response that was read to its end.
    is_simple: bool,
    permit: OwnedSemaphorePermit,
    /// `None` once its end is known.
    exchange: Option<Exchange<IpAddr>>,
}

impl Lease {
    pub(super) const fn new(
        connection: Connection,
        pool: Arc<Pool>,
        is_simple: bool,
        permit: OwnedSemaphorePermit,
        exchange: Option<Exchange<IpAddr>>,
    ) -> Self {
        Self(Some(Parts {
            connection,
            pool,
            is_simple,
            permit,
            exchange,
        }))
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
        if let Some(parts) = self.0.take_if(|parts| parts.is_simple) {
            // The next exchange may begin once the connection is there.
            parts.pool.put(parts.connection);
            drop(parts.permit);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without a runtime, nothing drives the connection either.
        let (Some(mut parts), Ok(runtime)) = (self.0.take(), Handle::try_current()) else {
            return;
        };
        drop(parts.exchange.take());
        runtime.spawn(async move {
            if parts.connection.is_ready().await {
                parts.pool.put(parts.connection);
            }
            drop(parts.permit);
        });
    }
}
