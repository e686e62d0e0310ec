//! The service that the layer makes.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::EnvelopeBody;
use super::future::EnvelopeFuture;
use super::head::{Exchange, describe_payload};
use super::settings::Settings;
use crate::inner_accessors;

/// Wraps successful JSON responses in the platform's envelope. Made by
/// [`EnvelopeLayer`](super::EnvelopeLayer).
#[derive(Clone, Debug)]
pub struct EnvelopeService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> EnvelopeService<S> {
    /// Wraps `inner`, with the layer's defaults.
    pub fn new(inner: S) -> Self {
        Self::with_settings(inner, Arc::default())
    }

    inner_accessors!();

    pub(super) fn with_settings(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for EnvelopeService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<EnvelopeBody<ResB>>;
    type Error = S::Error;
    type Future = EnvelopeFuture<S::Future, ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let exchange = Exchange::of(&request, &self.settings);
        if exchange.may_wrap() {
            describe_payload(request.headers_mut());
        }
        EnvelopeFuture::new(
            self.inner.call(request),
            exchange,
            Arc::clone(&self.settings),
        )
    }
}
