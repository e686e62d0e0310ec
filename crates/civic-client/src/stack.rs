//! The default stack.
//!
//! Outermost first:
//!
//! ```text
//! correlation            once a call
//! idempotency key        once a call
//!   (a concurrency limit would stand here)
//! retry                  policy, backoff; what follows happens in each attempt
//!   (a breaker would stand here, where it sees every failure)
//! span
//! attempt timeout        10 s, the body included
//! internal headers       a token for this attempt
//! collect body           16 MiB; 64 KiB and 1 s of an error
//! transport              pooled HTTP/1.1
//! ```
//!
//! The order matters. A token that is minted outside of the retry layer is dead at the third attempt: three
//! attempts of 10 s and two waits are longer than the 30 s that it lives. A timeout outside of it would be one
//! for all attempts; one inside of the body's collection would not see the body hang.

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
use crate::layer::{
    AttemptSpanLayer, AttemptTimeoutLayer, CollectBodyLayer, IdempotencyKeyLayer,
    PropagateCorrelationIdLayer, RetryLayer,
};
use crate::transport::Transport;

/// Any stack that turns a request into a whole response, with its type forgotten.
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

    /// The default stack over `transport`; without a minter no token is sent.
    pub(crate) fn standard(
        retry: RetryLayer,
        timeout: AttemptTimeoutLayer,
        minter: Option<TokenMinter>,
        collect: CollectBodyLayer,
        transport: Transport,
    ) -> Self {
        Self::new(
            ServiceBuilder::new()
                .layer(PropagateCorrelationIdLayer::new())
                .layer(IdempotencyKeyLayer::new())
                .layer(retry)
                .layer(AttemptSpanLayer::new())
                .layer(timeout)
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
