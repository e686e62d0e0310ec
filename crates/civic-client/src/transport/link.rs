//! A connection for an exchange.

use crate::transport::connection::Connection;
#[cfg(feature = "http2")]
use crate::transport::http2::Seat;

/// A connection that may carry a request.
#[derive(Debug)]
pub(super) enum Link {
    Http1(Box<Connection>),
    #[cfg(feature = "http2")]
    Http2(Seat),
}

impl Link {
    /// Returns it if it can take a request, after a moment perhaps.
    pub(super) async fn ready(self) -> Option<Self> {
        match self {
            Self::Http1(mut connection) => {
                let is_ready = connection.is_ready() || Box::pin(connection.becomes_ready()).await;
                is_ready.then_some(Self::Http1(connection))
            }
            #[cfg(feature = "http2")]
            Self::Http2(seat) => Some(Self::Http2(seat)),
        }
    }
}
