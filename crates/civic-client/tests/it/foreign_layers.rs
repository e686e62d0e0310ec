//! Layers of tower and of users, in the stack of the client.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_client::layer::{
    AttemptSpan, AttemptSpanLayer, AttemptTimeout, CollectBody, IdempotencyKey, PropagateContext,
    Retry,
};
use civic_client::{
    Body, CollectBodyLayer, Error, ErrorKind, Jitter, NotRetried, RetryLayer, RetryPolicy,
    ServiceClient, Transmission,
};
use http::{Method, Request, Response};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{bare, call, ends};

/// A client over a stack that was built by hand.
fn over<S>(stack: S) -> ServiceClient
where
    S: Service<Request<Body>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
    S::Error: Into<Error>,
    S::Future: Send + 'static,
{
    bare("http://localhost").build_over(stack).unwrap()
}

fn retry() -> RetryLayer {
    RetryLayer::new(RetryPolicy::new().with_jitter(Jitter::None))
}

/// A client whose every attempt ends with the error that `fail` makes, and how many there were.
fn failing(fail: fn() -> Error) -> (ServiceClient, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let service = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Err::<Response<Bytes>, _>(fail()))
    });
    let stack = ServiceBuilder::new().layer(retry()).service(service);
    (over(stack), calls)
}

#[test]
fn the_kind_of_an_error_implies_whether_the_request_was_sent() {
    let never_sent = [
        ErrorKind::Config,
        ErrorKind::Request,
        ErrorKind::Connect,
        ErrorKind::CircuitOpen,
        ErrorKind::Overloaded,
        ErrorKind::MissingCredentials,
    ];
    for kind in never_sent {
        assert_eq!(
            Error::new(kind).transmission(),
            Transmission::NotSent,
            "{kind}"
        );
    }
    let unknown = [
        ErrorKind::Timeout,
        ErrorKind::Deadline,
        ErrorKind::Transport,
        ErrorKind::BodyTooLarge,
    ];
    for kind in unknown {
        assert_eq!(
            Error::new(kind).transmission(),
            Transmission::Unknown,
            "{kind}"
        );
    }
}

#[test]
fn an_error_of_a_users_layer_carries_its_cause_its_words_and_its_transmission() {
    let error = Error::new(ErrorKind::CircuitOpen)
        .with_detail("5 of the last 5 attempts failed")
        .with_source(io::Error::other("the last one"))
        .with_transmission(Transmission::Unknown)
        .with_retry_after(Duration::from_secs(7));
    assert_eq!(
        error.to_string(),
        "circuit_open: 5 of the last 5 attempts failed"
    );
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "the last one");
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.status(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_callers_own_process_ends_the_call_and_keeps_its_kind() {
    for kind in [
        ErrorKind::CircuitOpen,
        ErrorKind::Overloaded,
        ErrorKind::MissingCredentials,
    ] {
        let (client, calls) = match kind {
            ErrorKind::CircuitOpen => failing(|| Error::new(ErrorKind::CircuitOpen)),
            ErrorKind::Overloaded => failing(|| Error::new(ErrorKind::Overloaded)),
            _ => failing(|| Error::new(ErrorKind::MissingCredentials)),
        };
        let error = ends(call(&client, &Method::GET)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{kind}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("-> {kind} after 1 attempt")),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_is_retried_where_a_users_transport_proves_that_it_was_never_sent() {
    let (client, calls) =
        failing(|| Error::new(ErrorKind::Transport).with_transmission(Transmission::NotSent));
    let error = ends(call(&client, &Method::POST)).await.unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!(error.not_retried(), Some(NotRetried::Exhausted));

    let (client, calls) = failing(|| Error::transport(io::Error::other("cut")));
    let error = ends(call(&client, &Method::POST)).await.unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
}

#[tokio::test(start_paused = true)]
async fn towers_timeout_is_a_timeout() {
    let stack = ServiceBuilder::new()
        .timeout(Duration::from_secs(2))
        .service(service_fn(|_: Request<Body>| async {
            std::future::pending::<Result<Response<Bytes>, Infallible>>().await
        }));
    let error = ends(call(&over(stack), &Method::GET)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_timeout());
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn towers_timeout_inside_of_the_retry_is_one_of_each_attempt() {
    let stack = ServiceBuilder::new()
        .layer(retry())
        .timeout(Duration::from_secs(2))
        .service(service_fn(|_: Request<Body>| async {
            std::future::pending::<Result<Response<Bytes>, Infallible>>().await
        }));
    let error = ends(call(&over(stack), &Method::GET)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 3));
    assert_eq!(error.elapsed().as_millis(), 7500);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_tower_sheds_was_never_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let stack = ServiceBuilder::new()
        .layer(retry())
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(gate))
        .service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        }));
    let error = ends(call(&over(stack), &Method::POST)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
    assert!(!error.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn towers_layers_pass_an_error_of_the_client_through_as_it_is() {
    let stack = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .timeout(Duration::from_secs(60))
        .layer(retry())
        .service(service_fn(|_: Request<Body>| async {
            Err::<Response<Bytes>, _>(Error::new(ErrorKind::Connect))
        }));
    let error = ends(call(&over(stack), &Method::POST)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    assert_eq!(error.not_retried(), Some(NotRetried::Exhausted));
}

/// Wraps an error as `tower::buffer` does.
#[derive(Debug)]
struct Wrapped(Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_that_a_layer_wraps_keeps_what_it_says_of_the_request() {
    for (kind, transmission) in [
        (ErrorKind::CircuitOpen, Transmission::NotSent),
        (ErrorKind::Connect, Transmission::NotSent),
        (ErrorKind::Transport, Transmission::Unknown),
    ] {
        let boxed: BoxError = Box::new(Wrapped(Error::new(kind)));
        let error = Error::from(boxed);
        assert_eq!((error.kind(), error.transmission()), (kind, transmission));
        assert_eq!(Transmission::of(&Wrapped(Error::new(kind))), transmission);
    }
    let boxed: BoxError = Box::new(Wrapped(Error::new(ErrorKind::Deadline)));
    assert!(Error::from(boxed).is_timeout());
}

#[tokio::test]
async fn a_layer_can_read_the_bytes_of_a_request_to_sign_it() {
    let stack = ServiceBuilder::new()
        .map_request(|mut request: Request<Body>| {
            let bytes = request.body().bytes().expect("it is in memory");
            let length = bytes.len();
            request.headers_mut().insert("x-signature", length.into());
            request
        })
        .service(service_fn(|request: Request<Body>| async move {
            let text = request.headers()["x-signature"].to_str().unwrap();
            Ok::<_, Infallible>(Response::new(Bytes::from(text.to_owned())))
        }));
    let client = over(stack);
    let length: u8 = client.post("/").json("abc").fetch().await.unwrap();
    assert_eq!(length, 5);
}

#[tokio::test]
async fn every_service_gives_access_to_the_one_that_it_wraps() {
    let policy = RetryPolicy::new();
    let collect = CollectBody::new(7, CollectBodyLayer::new());
    let timeout = AttemptTimeout::new(collect, Duration::from_secs(1));
    let span = AttemptSpan::new(timeout, AttemptSpanLayer::new());
    let retry = Retry::new(span, policy);
    let key = IdempotencyKey::new(retry);
    let mut id = PropagateContext::new(key);
    assert_eq!(
        *id.get_ref()
            .get_ref()
            .get_ref()
            .get_ref()
            .get_ref()
            .get_ref(),
        7
    );
    *id.get_mut()
        .get_mut()
        .get_mut()
        .get_mut()
        .get_mut()
        .get_mut() = 8;
    let retry = id.into_inner().into_inner();
    assert_eq!(retry.into_inner().into_inner().into_inner().into_inner(), 8);
}

#[tokio::test]
async fn any_error_that_converts_may_be_the_one_of_an_inner_service() {
    let service = service_fn(|_: Request<Body>| async {
        Err::<Response<Bytes>, BoxError>("a foreign transport's words".into())
    });
    let stack = ServiceBuilder::new().layer(retry()).service(service);
    let error = stack.oneshot(Request::new(Body::empty())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Transport);
}
