//! The endpoint of each attempt.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use civic_envelope::inner_accessors;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::balance::{
    Balancer, BreakerPolicy, Discover, Endpoint, Exchange, HostName, Outcome, Watcher, pause_asked,
};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::observe::{BreakerEvent, Observer};
use crate::random::random;
use crate::streaming::StreamSlot;
use crate::transport::{ServerName, Tried};
use crate::wall_clock::WallClock;

/// Sends each attempt to one of the endpoints of a service, by the rules of
/// [`balance`](crate::balance).
///
/// The request keeps its path, and its `Host` is the name of the service, unless the endpoint has
/// [a name of its own](Endpoint::with_own_host). What changes is the authority of its URL, which
/// the inner service connects to: any HTTP client can stand below.
///
/// The layer belongs inside of the retry layer, so that each attempt has a choice of its own;
/// inside of [`AttemptTimeoutLayer`](super::AttemptTimeoutLayer), so that an endpoint that swallows
/// requests is noticed; and outside of [`CollectBodyLayer`](super::CollectBodyLayer), so that the
/// time of an exchange includes the last byte of its body.
///
/// All services that one layer makes, and its clones, share what is known about the endpoints.
///
/// ```
/// use civic_client::Transport;
/// use civic_client::balance::StaticEndpoints;
/// use civic_client::layer::{AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer, RetryLayer};
/// use tower::ServiceBuilder;
///
/// let endpoints = StaticEndpoints::parse("10.0.0.7:3020, 10.0.0.8:3020")?;
/// let stack = ServiceBuilder::new()
///     .layer(RetryLayer::default())
///     .layer(AttemptTimeoutLayer::default())
///     .layer(BalanceLayer::new(endpoints))
///     .layer(CollectBodyLayer::new())
///     .service(Transport::default());
/// # let _ = stack;
/// # Ok::<(), civic_client::Error>(())
/// ```
#[derive(Clone)]
pub struct BalanceLayer {
    discover: Arc<dyn Discover>,
    balancer: Balancer<Endpoint>,
    seed: Option<u64>,
    observer: Option<Arc<dyn Observer>>,
    clock: WallClock,
}

impl BalanceLayer {
    /// Creates a layer that balances over the endpoints that `discover` knows.
    #[must_use]
    pub fn new(discover: impl Discover) -> Self {
        Self::over(
            Arc::new(discover),
            BreakerPolicy::new(),
            WallClock::default(),
        )
    }

    pub(crate) fn over(
        discover: Arc<dyn Discover>,
        policy: BreakerPolicy,
        clock: WallClock,
    ) -> Self {
        Self {
            discover,
            balancer: Balancer::new(policy),
            seed: None,
            observer: None,
            clock,
        }
    }

    /// Sets when an endpoint is left alone. The layer forgets what it knew.
    ///
    /// Defaults to [`BreakerPolicy::new`].
    #[must_use]
    pub fn with_breaker(self, policy: BreakerPolicy) -> Self {
        self.anew(policy)
    }

    /// Sets the seed of the random numbers, so that every run makes the same choices. The layer
    /// forgets what it knew.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        let policy = *self.balancer.policy();
        self.anew(policy)
    }

    /// Sets who is told when the breaker of an endpoint changes its state
    /// ([`Observer::breaker_changed`]). The layer forgets what it knew.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_observer(self, observer: impl Observer) -> Self {
        self.observed(Some(Arc::new(observer)))
    }

    pub(crate) fn observed(mut self, observer: Option<Arc<dyn Observer>>) -> Self {
        self.observer = observer;
        let policy = *self.balancer.policy();
        self.anew(policy)
    }

    fn anew(mut self, policy: BreakerPolicy) -> Self {
        let watcher = self.observer.clone().map(|observer| {
            Watcher::new(move |endpoint: &Endpoint, state| {
                observer.breaker_changed(&BreakerEvent::new(endpoint.place(), None, state));
            })
        });
        let seed = self.seed.unwrap_or_else(random);
        self.balancer = Balancer::watched(policy, seed, watcher);
        self
    }

    /// Sets the wall clock, which the dates of a peer are compared with.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = WallClock::new(now);
        self
    }
}

impl fmt::Debug for BalanceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceLayer")
            .field("balancer", &self.balancer)
            .finish_non_exhaustive()
    }
}

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
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = BalanceFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let tried = request.extensions().get::<Tried>().cloned();
        let tried = tried.unwrap_or_default();
        let BalanceLayer {
            discover,
            balancer,
            clock,
            ..
        } = &self.layer;
        let exchange = Exchange::begin(
            balancer,
            &discover.endpoints(),
            &tried.endpoints(),
            request.extensions(),
        );
        let state = match exchange.and_then(|exchange| {
            address(&mut request, exchange.key())?;
            tried.note_endpoint(exchange.key());
            Ok(exchange)
        }) {
            Ok(exchange) => State::Sent {
                inner: self.inner.call(request),
                under_way: Some(UnderWay {
                    exchange,
                    balancer: balancer.clone(),
                    tried,
                    clock: clock.clone(),
                }),
            },
            Err(error) => State::Refused { error: Some(error) },
        };
        BalanceFuture { state }
    }
}

/// Points a request at an endpoint, and keeps the name of the service in its `Host`.
fn address<B>(request: &mut Request<B>, endpoint: &Endpoint) -> Result<(), Error> {
    let mut parts = request.uri().clone().into_parts();
    if let (Some(service), HostName::Service) = (&parts.authority, endpoint.host_name())
        && !request.headers().contains_key(HOST)
    {
        let host = host_of(service, parts.scheme.as_ref());
        let name = service.host().trim_start_matches('[').trim_end_matches(']');
        request.extensions_mut().insert(ServerName(name.into()));
        let host = HeaderValue::try_from(host)
            .map_err(|error| Error::request("the URL has a malformed host").with_source(error))?;
        request.headers_mut().insert(HOST, host);
    }
    parts.authority = Some(endpoint.place().clone());
    parts.scheme.get_or_insert(Scheme::HTTP);
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts)
        .map_err(|error| Error::request("the URL is malformed").with_source(error))?;
    Ok(())
}

/// The name of a service as `Host` says it: without the port that its scheme implies.
fn host_of(service: &Authority, scheme: Option<&Scheme>) -> String {
    let implied = if scheme == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    match service.port_u16() {
        Some(port) if port != implied => format!("{}:{port}", service.host()),
        _ => service.host().to_owned(),
    }
}

pin_project! {
    /// The future of [`Balance`].
    pub struct BalanceFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Sent {
            #[pin]
            inner: F,
            under_way: Option<UnderWay>,
        },
        Refused { error: Option<Error> },
    }
}

struct UnderWay {
    exchange: Exchange<Endpoint>,
    balancer: Balancer<Endpoint>,
    tried: Tried,
    clock: WallClock,
}

impl<F> fmt::Debug for BalanceFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BalanceFuture")
    }
}

impl<F, B, E> Future for BalanceFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { inner, under_way } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                Poll::Ready(match under_way.take() {
                    Some(under_way) => under_way.end(result),
                    None => result,
                })
            }
            StateProj::Refused { error } => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| Error::new(ErrorKind::Connect)))),
        }
    }
}

// ===== impl UnderWay =====

impl UnderWay {
    fn end<B>(self, result: Result<Response<B>, Error>) -> Result<Response<B>, Error> {
        let Self {
            exchange,
            balancer,
            tried,
            clock,
        } = self;
        let endpoint = exchange.key().clone();
        match result {
            Ok(response) => {
                if let Some(pause) = pause_asked(&response, clock.now()) {
                    balancer.pause(&endpoint, pause);
                }
                let status = response.status();
                // Another endpoint would not change what the peer decided about the caller. A rate
                // limit may be that of one process.
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                    tried.forget_endpoint(&endpoint);
                }
                match StreamSlot::of(response.extensions()) {
                    Some(slot) => slot.hold(exchange.complete_head()),
                    None => exchange.end(Outcome::of_status(status)),
                }
                Ok(response)
            }
            Err(error) => {
                exchange.end(Outcome::of_error(&error));
                Err(match error.kind() {
                    ErrorKind::Connect => error.with_authority(endpoint.place().clone()),
                    _ => error,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_changes_where_a_request_goes_and_not_whom_it_speaks_to() {
        let cases = [
            (
                "http://roll:3020/a?b=c",
                "http://10.0.0.7:1/a?b=c",
                "roll:3020",
            ),
            ("http://roll/", "http://10.0.0.7:1/", "roll"),
            ("http://roll:80/", "http://10.0.0.7:1/", "roll"),
            ("https://roll:443/", "https://10.0.0.7:1/", "roll"),
            ("https://roll:80/", "https://10.0.0.7:1/", "roll:80"),
            ("http://[::1]:3020/", "http://10.0.0.7:1/", "[::1]:3020"),
        ];
        let endpoint = Endpoint::new("10.0.0.7:1").unwrap();
        for (url, moved, host) in cases {
            let mut request = Request::get(url).body(()).unwrap();
            address(&mut request, &endpoint).unwrap();
            assert_eq!(request.uri(), moved);
            assert_eq!(request.headers()[HOST], host, "{url}");
        }
    }

    #[test]
    fn a_host_of_the_callers_own_stays_and_one_of_the_endpoints_own_is_left_to_the_transport() {
        let request = Request::get("http://roll/").header(HOST, "chosen");
        let mut request = request.body(()).unwrap();
        address(&mut request, &Endpoint::new("10.0.0.7:1").unwrap()).unwrap();
        assert_eq!(request.headers()[HOST], "chosen");

        let mut request = Request::get("http://roll/").body(()).unwrap();
        let own = Endpoint::new("roll-7:1").unwrap().with_own_host();
        address(&mut request, &own).unwrap();
        assert_eq!(request.uri(), "http://roll-7:1/");
        assert!(!request.headers().contains_key(HOST));
    }
}
