//! The service: an attempt at one endpoint, and at others if it cannot be reached.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, mem};

use civic_envelope::inner_accessors;
use http::{Extensions, Request, Response, StatusCode};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::balance::{AnotherIsWell, Endpoint, Exchange, Outcome, pause_asked};
use crate::body::is_begun;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::balance::address::address;
use crate::layer::balance::layer::BalanceLayer;
use crate::layer::collect_body::closing::ClosingAnswer;
use crate::streaming::StreamSlot;
use crate::transmission::Transmission;
use crate::transport::Tried;

/// How many further endpoints an attempt tries that cannot reach the first.
const MAX_MOVES: usize = 2;

impl<S> Layer<S> for BalanceLayer {
    type Service = Balance<S>;

    fn layer(&self, inner: S) -> Balance<S> {
        Balance::new(inner, self.clone())
    }
}

/// Sends each attempt to one of the endpoints of a service, as [`BalanceLayer`] describes.
#[derive(Clone, Debug)]
pub struct Balance<S> {
    inner: S,
    layer: BalanceLayer,
}

impl<S> Balance<S> {
    /// Creates a service that chooses as `layer` says, and sends with `inner`.
    pub const fn new(inner: S, layer: BalanceLayer) -> Self {
        Self { inner, layer }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Balance<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Error: Into<Error> + Send,
    S::Future: Send,
    ReqB: Clone + Send + 'static,
    ResB: Send + 'static,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = BalanceFuture<ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // Call the instance that was polled; its clone may not be ready.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        BalanceFuture(Box::pin(run(inner, self.layer.clone(), request)))
    }
}

async fn run<S, ReqB, ResB>(
    mut inner: S,
    layer: BalanceLayer,
    request: Request<ReqB>,
) -> Result<Response<ResB>, Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
    ReqB: Clone + 'static,
{
    let extensions = request.extensions();
    let tried = extensions.get::<Tried>().cloned().unwrap_or_default();
    let mut exchange = Exchange::begin(
        &layer.balancer,
        &layer.discover.endpoints(),
        &tried.endpoints(),
        extensions,
    )?;
    let mut moves = 0;
    loop {
        let mut addressed = request.clone();
        address(&mut addressed, exchange.key())?;
        tried.note_endpoint(exchange.key());
        let error = match inner.call(addressed).await.map_err(Into::into) {
            Ok(response) => return Ok(layer.answered(exchange, &tried, response)),
            Err(error) => error,
        };
        let error = match error.kind() {
            ErrorKind::Connect => error.with_authority(exchange.key().place().clone()),
            _ => error,
        };
        exchange.end(Outcome::of_error(&error));
        if moves == MAX_MOVES || !is_unsent(&error) || is_begun(&request) {
            return Err(error);
        }
        let Some(next) = layer.elsewhere(&tried, request.extensions()) else {
            return Err(error);
        };
        // Keep the outcome rather than the readiness error.
        if inner.ready().await.is_err() {
            return Err(error);
        }
        exchange = next;
        moves += 1;
    }
}

/// Whether nothing was sent, for a reason that another endpoint need not have.
fn is_unsent(error: &Error) -> bool {
    error.transmission() == Transmission::NotSent
        && matches!(error.kind(), ErrorKind::Connect | ErrorKind::Transport)
}

// ===== impl BalanceLayer =====

impl BalanceLayer {
    /// Begins an exchange with an endpoint that is well and that the call has not used.
    fn elsewhere(&self, tried: &Tried, extensions: &Extensions) -> Option<Exchange<Endpoint>> {
        let used = tried.endpoints();
        let well = self.balancer.well(&self.discover.endpoints(), &used);
        if well.is_empty() {
            return None;
        }
        Exchange::begin(&self.balancer, &well, &used, extensions).ok()
    }

    /// Ends an exchange that was answered.
    fn answered<B>(
        &self,
        exchange: Exchange<Endpoint>,
        tried: &Tried,
        mut response: Response<B>,
    ) -> Response<B> {
        let endpoint = exchange.key().clone();
        let pause = pause_asked(&response, &self.clock);
        if let Some(pause) = pause {
            self.balancer.pause(&endpoint, pause);
        }
        let is_closing = response.extensions().get::<ClosingAnswer>().is_some();
        let status = response.status();
        // Another endpoint would not change what the peer decided about the caller. A rate limit
        // may be that of one process.
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            tried.forget_endpoint(&endpoint);
        }
        match StreamSlot::of(response.extensions()) {
            Some(slot) => slot.hold(exchange.complete_head()),
            None => exchange.end(Outcome::of_status(status)),
        }
        if pause.is_some() || is_closing {
            let endpoints = self.discover.endpoints();
            if !self
                .balancer
                .well(&endpoints, &tried.endpoints())
                .is_empty()
            {
                response.extensions_mut().insert(AnotherIsWell);
            }
        }
        response
    }
}

/// The future of [`Balance`].
pub struct BalanceFuture<ResB>(Pin<Box<dyn Future<Output = Result<Response<ResB>, Error>> + Send>>);

impl<ResB> fmt::Debug for BalanceFuture<ResB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BalanceFuture")
    }
}

impl<ResB> Future for BalanceFuture<ResB> {
    type Output = Result<Response<ResB>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
