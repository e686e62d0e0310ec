//! The default stack.
//!
//! Outermost first:
//!
//! ```text
//! propagate context          once per call
//! (observe calls)            if there is an observer
//! idempotency key            once per call
//!   (layers of `layer_call` stand here: a cache, for example)
//! (in-flight limit)          if asked for
//! retry                      policy, budget, backoff; what follows happens in each attempt
//! attempt span
//! (observe attempts)         if there is an observer
//! attempt timeout            10 s, the body included
//!   (layers of `layer_attempt` stand here: a breaker or a signature, for example)
//! attempt headers            what is left of it, and which attempt it is
//! internal headers           a token for this attempt
//! (balance)                  the endpoint, where endpoints are given
//! collect body               16 MiB; of an error response 64 KiB and 1 s
//! transport                  pooled HTTP/1.1
//! ```
//!
//! The order matters. A token that was minted outside of the retry layer has expired at the third
//! attempt: three attempts of 10 s and two waits take longer than the 30 s that it lives. A timeout
//! outside of the retry layer would be one for all attempts; one inside of the collecting of the
//! body would not cover the body.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::{InternalHeadersLayer, TokenMinter};
use http::{Request, Response};
use tower::ServiceBuilder;
use tower::util::{BoxCloneSyncService, option_layer};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::layer::attempt_headers::AttemptHeadersLayer;
use crate::layer::attempt_span::AttemptSpanLayer;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;
use crate::layer::balance::BalanceLayer;
use crate::layer::collect_body::CollectBodyLayer;
use crate::layer::idempotency_key::IdempotencyKeyLayer;
use crate::layer::in_flight_limit::InFlightLimitLayer;
use crate::layer::observe::ObserveLayer;
use crate::layer::propagate_context::PropagateContextLayer;
use crate::layer::retry::RetryLayer;
use crate::observe::Observer;

/// The rest of a client's stack, with its type erased: what a layer of your own wraps.
///
/// [`ServiceClientBuilder::layer_call`](crate::ServiceClientBuilder::layer_call) and
/// [`ServiceClientBuilder::layer_attempt`](crate::ServiceClientBuilder::layer_attempt) take such
/// layers.
#[derive(Clone)]
pub struct ClientService(BoxCloneSyncService<Request<Body>, Response<Bytes>, Error>);

/// A layer that fits into a client's stack.
///
/// Every [`tower_layer::Layer`] is one whose service takes a `Request<Body>` and answers with a
/// `Response<Bytes>`, can be cloned and sent between threads, as can its futures, and has an error
/// that converts into [`Error`].
pub trait ClientLayer: sealed::Wrap + Send + Sync + 'static {}

mod sealed {
    use crate::stack::ClientService;

    /// Wraps the rest of a stack.
    pub trait Wrap {
        fn wrap(&self, inner: ClientService) -> ClientService;
    }
}

impl<L> ClientLayer for L where L: sealed::Wrap + Send + Sync + 'static {}

impl<L> sealed::Wrap for L
where
    L: Layer<ClientService>,
    L::Service: Service<Request<Body>, Response = Response<Bytes>>,
    L::Service: Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Error: Into<Error>,
    <L::Service as Service<Request<Body>>>::Future: Send + 'static,
{
    fn wrap(&self, inner: ClientService) -> ClientService {
        ClientService::new(self.layer(inner))
    }
}

/// A layer of a user, with its type erased.
#[derive(Clone)]
pub(crate) struct UserLayer(Arc<dyn ClientLayer>);

impl ClientService {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send + 'static,
    {
        let service = ServiceBuilder::new().map_err(Into::into).service(service);
        Self(BoxCloneSyncService::new(service))
    }

    /// Wraps the service in these layers, the first one outermost.
    fn within(self, layers: &[UserLayer]) -> Self {
        layers
            .iter()
            .rev()
            .fold(self, |service, UserLayer(layer)| layer.wrap(service))
    }
}

impl UserLayer {
    pub(crate) fn new(layer: impl ClientLayer) -> Self {
        Self(Arc::new(layer))
    }
}

/// What the default stack is made of.
pub(crate) struct Parts {
    /// `None` if no keys are generated.
    pub(crate) idempotency_key: Option<IdempotencyKeyLayer>,
    pub(crate) call_layers: Vec<UserLayer>,
    /// Without a limit, any number of calls may be under way.
    pub(crate) limit: Option<InFlightLimitLayer>,
    pub(crate) retry: RetryLayer,
    pub(crate) span: AttemptSpanLayer,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) timeout: AttemptTimeoutLayer,
    pub(crate) attempt_layers: Vec<UserLayer>,
    /// Without a minter, no token is sent.
    pub(crate) minter: Option<TokenMinter>,
    /// Without endpoints, the addresses of the name are balanced over.
    pub(crate) balance: Option<BalanceLayer>,
    pub(crate) collect: CollectBodyLayer,
}

impl Parts {
    /// Puts the default stack together, over this transport.
    pub(crate) fn stack<T, B>(self, transport: T) -> ClientService
    where
        T: Service<Request<Body>, Response = Response<B>, Error = Error>,
        T: Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let observer = self.observer;
        let calls = observer.clone().map(ObserveLayer::of_calls);
        let exchange = ServiceBuilder::new()
            .layer(AttemptHeadersLayer::new())
            .layer(option_layer(self.minter.map(InternalHeadersLayer::new)))
            .layer(option_layer(self.balance))
            .layer(self.collect)
            .service(transport);
        let attempts = ServiceBuilder::new()
            .layer(option_layer(self.limit))
            .layer(self.retry)
            .layer(self.span)
            .layer(option_layer(observer.map(ObserveLayer::of_attempts)))
            .layer(self.timeout);
        // A box costs an allocation per attempt: there is one only where a layer needs it.
        if self.attempt_layers.is_empty() {
            once_per_call(
                calls,
                self.idempotency_key,
                &self.call_layers,
                attempts.service(exchange),
            )
        } else {
            let exchange = ClientService::new(exchange).within(&self.attempt_layers);
            once_per_call(
                calls,
                self.idempotency_key,
                &self.call_layers,
                attempts.service(exchange),
            )
        }
    }
}

fn once_per_call<S>(
    observe: Option<ObserveLayer>,
    key: Option<IdempotencyKeyLayer>,
    layers: &[UserLayer],
    attempts: S,
) -> ClientService
where
    S: Service<Request<Body>, Response = Response<Bytes>, Error = Error>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let outermost = ServiceBuilder::new()
        .layer(PropagateContextLayer::new())
        .layer(option_layer(observe))
        .layer(option_layer(key));
    if layers.is_empty() {
        ClientService::new(outermost.service(attempts))
    } else {
        ClientService::new(outermost.service(ClientService::new(attempts).within(layers)))
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientService")
    }
}

impl Service<Request<Body>> for ClientService {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}
