//! How many requests a peer gets for the calls that are made, when it fails.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civic_auth::{AdoptDeadlineLayer, CorrelationIdLayer, RequestContext};
use civic_client::layer::RetryLayer;
use civic_client::{Body, ErrorKind, NotRetried, PeerMemory, RetryPolicy, ServiceClient};
use civic_envelope::Failure;
use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::ends;
use crate::support::in_process::{answer, client_over, storm};

#[tokio::test(start_paused = true)]
async fn a_failing_peer_gets_at_most_a_fifth_more_requests_than_calls_and_the_reserve() {
    const CALLS: u64 = 10_000;
    for fails_one_of in [2, 1] {
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        let peer = service_fn(move |_: Request<Body>| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(Duration::from_millis(20)).await;
                let status = if number.is_multiple_of(fails_one_of) {
                    500
                } else {
                    200
                };
                Ok::<_, Infallible>(answer(status))
            }
        });
        let client = client_over(RetryPolicy::new(), peer);
        let stopped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&stopped);
        let took = storm(CALLS, 64, move || {
            let (client, stopped) = (client.clone(), Arc::clone(&counter));
            async move {
                if let Err(error) = client.get("/").send().await
                    && error.not_retried() == Some(NotRetried::Budget)
                {
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await;
        let requests = requests.load(Ordering::Relaxed);
        // Ten retries per second, from the ten seconds before the first call on.
        let reserve = 10 * (10 + took.as_secs() + 1);
        assert!(
            requests <= CALLS * 12 / 10 + reserve,
            "{requests} in {took:?}"
        );
        assert!(
            stopped.load(Ordering::Relaxed) > 0,
            "the budget is what stops"
        );

        // Without it, each call is made three times.
        assert!(requests < CALLS * 2);
    }
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_budget_and_clients_built_apart_share_it_only_through_one_memory() {
    let failing = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(answer(500)) });
    let retried = async |client: &ServiceClient, calls: u32| {
        let mut retries = 0;
        for _ in 0..calls {
            let error = client.get("/").retries(1).send().await.unwrap_err();
            retries += error.attempts() - 1;
        }
        retries
    };
    let memory = || {
        let budget = civic_client::RetryBudget::new(0.0, 1).unwrap();
        PeerMemory::new().with_budget(budget)
    };
    // Ten retries are in the budget.
    let shared = memory();
    let policy = |memory: &PeerMemory| {
        let backoff =
            civic_client::Backoff::new(Duration::from_nanos(1), Duration::from_nanos(1)).unwrap();
        RetryPolicy::new()
            .with_backoff(backoff)
            .with_peer_memory(memory.clone())
    };
    let one = client_over(policy(&shared), failing);
    let two = client_over(policy(&shared), failing);
    let apart = client_over(policy(&memory()), failing);
    assert_eq!(retried(&one, 6).await, 6);
    assert_eq!(retried(&one.clone(), 2).await, 2);
    assert_eq!(retried(&two, 6).await, 2);
    assert_eq!(retried(&apart, 6).await, 6);
}

#[tokio::test(start_paused = true)]
async fn retries_of_what_was_never_sent_are_free() {
    let refusing = service_fn(|_: Request<Body>| async {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        Err::<Response<bytes::Bytes>, _>(civic_client::Error::transport(refused))
    });
    let budget = civic_client::RetryBudget::new(0.0, 0).unwrap();
    let policy = RetryPolicy::new().with_peer_memory(PeerMemory::new().with_budget(budget));
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .service(refusing);
    let client = ServiceClient::builder("http://peer")
        .build_over(stack)
        .unwrap();
    for _ in 0..20 {
        let error = client.post("/").send().await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    }
}

/// A service of a chain: its handler calls the next one, and makes its answer of what comes back.
fn hop(next: ServiceClient) -> ServiceClient {
    let handler = service_fn(move |_: Request<Body>| {
        let next = next.clone();
        async move {
            Ok::<_, Infallible>(match next.get("/").send().await {
                Ok(_) => answer(200),
                Err(error) => Failure::from(error).into_response(),
            })
        }
    });
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AdoptDeadlineLayer::new())
        .service(handler);
    // A call between processes carries no context but its headers.
    let peer = service_fn(move |request: Request<Body>| {
        let service = service.clone();
        RequestContext::default().scope(async move { service.oneshot(request).await })
    });
    client_over(RetryPolicy::new(), peer)
}

#[tokio::test(start_paused = true)]
async fn a_dead_leaf_of_a_chain_of_four_services_gets_at_most_three_attempts_per_call() {
    type Dead = fn() -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
    let leaves: [(&str, Dead); 5] = [
        ("500", || Box::pin(async { answer(500) })),
        ("503", || Box::pin(async { answer(503) })),
        ("503 with Retry-After", || {
            Box::pin(async {
                let mut answer = answer(503);
                let now = http::HeaderValue::from_static("0");
                answer.headers_mut().insert("retry-after", now);
                answer
            })
        }),
        ("slow 502", || {
            Box::pin(async {
                sleep(Duration::from_secs(6)).await;
                answer(502)
            })
        }),
        ("hangs", || Box::pin(pending())),
    ];
    for (name, dead) in leaves {
        let attempts = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&attempts);
        let leaf = service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, Infallible>(dead().await) }
        });
        let user = hop(hop(hop(client_over(RetryPolicy::new(), leaf))));
        ends(user.get("/").send()).await.unwrap_err();
        let attempts = attempts.load(Ordering::Relaxed);
        assert!((1..=3).contains(&attempts), "{name}: {attempts}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_of_two_hops_sees_what_is_left_of_the_first_callers_800_ms() {
    let seen = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&seen);
    let cancelled = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    struct OnDrop(Arc<AtomicU64>, Instant);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let millis = self.1.elapsed().as_millis() as u64;
            self.0.store(millis, Ordering::Relaxed);
        }
    }
    let dropped = Arc::clone(&cancelled);
    let leaf = service_fn(move |request: Request<Body>| {
        let millis = request.headers()["x-request-timeout-ms"].to_str().unwrap();
        told.store(millis.parse().unwrap(), Ordering::Relaxed);
        let guard = OnDrop(Arc::clone(&dropped), start);
        async move {
            let _guard = guard;
            pending::<Result<Response<Body>, Infallible>>().await
        }
    });
    let last = client_over(RetryPolicy::new(), leaf);
    let slow = service_fn(move |_: Request<Body>| {
        let last = last.clone();
        async move {
            sleep(Duration::from_millis(150)).await;
            Ok::<_, Infallible>(match last.get("/").send().await {
                Ok(_) => answer(200),
                Err(error) => Failure::from(error).into_response(),
            })
        }
    });
    let middle = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AdoptDeadlineLayer::new())
        .service(slow);
    let first = client_over(RetryPolicy::new(), middle);
    let limit = Duration::from_millis(800);
    let error = ends(first.get("/").deadline(limit).send()).await;
    let error = error.unwrap_err();
    assert!(error.is_timeout() || error.status().is_some_and(|status| status == 504));
    assert!(start.elapsed() <= limit + Duration::from_millis(1));
    let seen = seen.load(Ordering::Relaxed);
    assert!((645..=650).contains(&seen), "{seen}");
    let cancelled = cancelled.load(Ordering::Relaxed);
    assert!((800..=850).contains(&cancelled), "{cancelled}");
}

#[tokio::test(start_paused = true)]
async fn one_sick_process_of_twenty_behind_one_address_does_not_hold_back_the_calls_to_the_others()
{
    let next = Arc::new(AtomicU64::new(0));
    let process = service_fn(move |_: Request<Body>| {
        let number = next.fetch_add(1, Ordering::Relaxed) % 20;
        async move {
            Ok::<_, Infallible>(if number == 7 {
                let mut busy = answer(503);
                let pause = http::HeaderValue::from_static("30");
                busy.headers_mut().insert("retry-after", pause);
                busy
            } else {
                answer(200)
            })
        }
    });
    let client = client_over(RetryPolicy::new(), process);
    let start = Instant::now();
    let mut failed = 0;
    for _ in 0..1000 {
        failed += u32::from(client.get("/").send().await.is_err());
    }
    assert_eq!(failed, 50, "only those that met the sick one");
    assert_eq!(start.elapsed(), Duration::ZERO);
}
