//! The default stack.
//!
//! Outermost first:
//!
//! ```text
//! propagate context          once per call
//! idempotency key            once per call
//! (in-flight limit)          if asked for
//! retry                      policy, budget, backoff; what follows happens in each attempt
//!   (a breaker would stand here, where it sees every failure)
//! attempt span
//! attempt timeout            10 s, the body included
//! attempt headers            what is left of it, and which attempt it is
//! internal headers           a token for this attempt
//! collect body               16 MiB; of an error response 64 KiB and 1 s
//! transport                  pooled HTTP/1.1
//! ```
//!
//! The order matters. A token that was minted outside of the retry layer has expired at the third
//! attempt: three attempts of 10 s and two waits take longer than the 30 s that it lives. A timeout
//! outside of the retry layer would be one for all attempts; one inside of the collecting of the
//! body would not cover the body.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::{InternalHeadersLayer, TokenMinter};
use http::{Request, Response};
use tower::ServiceBuilder;
use tower::util::{BoxCloneSyncService, option_layer};
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::layer::attempt_headers::AttemptHeadersLayer;
use crate::layer::attempt_span::AttemptSpanLayer;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;
use crate::layer::collect_body::CollectBodyLayer;
use crate::layer::idempotency_key::IdempotencyKeyLayer;
use crate::layer::in_flight_limit::InFlightLimitLayer;
use crate::layer::propagate_context::PropagateContextLayer;
use crate::layer::retry::RetryLayer;
use crate::transport::Transport;

/// Any stack that turns a request into a whole response, with its type erased.
#[derive(Clone)]
pub(crate) struct Stack(BoxCloneSyncService<Request<Body>, Response<Bytes>, Error>);

impl Stack {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
        S::Error: Into<Error>,
        S::Future: Send + 'static,
    {
        let service = ServiceBuilder::new().map_err(Into::into).service(service);
        Self(BoxCloneSyncService::new(service))
    }

    /// Creates the default stack over `transport`. Without a limit, any number of
    /// calls may be under way; without a minter, it sends no token.
    pub(crate) fn standard(
        limit: Option<InFlightLimitLayer>,
        retry: RetryLayer,
        timeout: AttemptTimeoutLayer,
        minter: Option<TokenMinter>,
        collect: CollectBodyLayer,
        transport: Transport,
    ) -> Self {
        Self::new(
            ServiceBuilder::new()
                .layer(PropagateContextLayer::new())
                .layer(IdempotencyKeyLayer::new())
                .layer(option_layer(limit))
                .layer(retry)
                .layer(AttemptSpanLayer::new())
                .layer(timeout)
                .layer(AttemptHeadersLayer::new())
                .layer(option_layer(minter.map(InternalHeadersLayer::new)))
                .layer(collect)
                .service(transport),
        )
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stack")
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = <BoxCloneSyncService<Request<Body>, Response<Bytes>, Error> as Service<
        Request<Body>,
    >>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}
