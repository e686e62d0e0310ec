//! The future of a transport.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use crate::error::Error;
use crate::transport::body::TransportBody;

/// The future of [`Transport`](super::Transport).
pub struct TransportFuture(
    Pin<Box<dyn Future<Output = Result<Response<TransportBody>, Error>> + Send>>,
);

impl TransportFuture {
    pub(super) fn new(
        exchange: impl Future<Output = Result<Response<TransportBody>, Error>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(exchange))
    }
}

impl fmt::Debug for TransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFuture")
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<TransportBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
