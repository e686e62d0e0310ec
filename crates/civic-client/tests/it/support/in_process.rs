//! A client over a peer in this process, which costs no time but what a test says.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civic_client::layer::{
    AttemptHeadersLayer, AttemptTimeoutLayer, CollectBodyLayer, IdempotencyKeyLayer,
    PropagateContextLayer, RetryLayer,
};
use civic_client::{Body, RetryPolicy, ServiceClient};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceBuilder};

/// The default stack, without identity, over a peer in this process.
pub(crate) fn client_over<S, B>(policy: RetryPolicy, peer: S) -> ServiceClient
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stack = ServiceBuilder::new()
        .layer(PropagateContextLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::new(policy))
        .layer(AttemptTimeoutLayer::default())
        .layer(AttemptHeadersLayer::new())
        .layer(CollectBodyLayer::new())
        .service(peer);
    ServiceClient::builder("http://peer")
        .build_over(stack)
        .unwrap()
}

pub(crate) fn answer(status: u16) -> Response<Body> {
    let body = match status {
        200 => Body::from("{}"),
        _ => Body::empty(),
    };
    Response::builder().status(status).body(body).unwrap()
}

/// Makes `calls` calls, `callers` at a time, and returns how long that took.
pub(crate) async fn storm<F>(
    calls: u64,
    callers: u64,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Duration
where
    F: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let left = Arc::new(AtomicU64::new(calls));
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (left, call) = (Arc::clone(&left), call.clone());
            tokio::spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok()
                {
                    call().await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    start.elapsed()
}
