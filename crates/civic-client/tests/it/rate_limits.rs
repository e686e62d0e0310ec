//! A peer that limits how often it may be called is called no more often.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civic_client::{
    Body, ErrorKind, Jitter, NotRetried, PeerMemory, RetryBudget, RetryPolicy, ServiceClient,
};
use http::{HeaderValue, Request, Response};
use tokio::time::{Instant, sleep};
use tower::service_fn;

use crate::support::in_process::{answer, client_over, storm};

/// A peer that answers 100 requests per minute and route, as `@fastify/rate-limit` does.
#[derive(Clone, Default)]
struct Limited {
    windows: Arc<std::sync::Mutex<std::collections::HashMap<String, (Instant, u64)>>>,
    requests: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Limited {
    fn client(&self) -> ServiceClient {
        let peer = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let peer = peer.clone();
            async move {
                sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(peer.answer(request.uri().path()))
            }
        });
        client_over(RetryPolicy::new(), service)
    }

    fn answer(&self, path: &str) -> Response<Body> {
        const WINDOW: Duration = Duration::from_secs(60);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let limit = if path == "/other" { 1000 } else { 100 };
        let mut windows = self.windows.lock().unwrap();
        let (began, count) = windows
            .entry(path.to_owned())
            .or_insert_with(|| (Instant::now(), 0));
        if began.elapsed() >= WINDOW {
            (*began, *count) = (Instant::now(), 0);
        }
        *count += 1;
        let reset = (WINDOW - began.elapsed()).as_secs_f64().ceil() as u64;
        let response = Response::builder()
            .header("x-ratelimit-limit", limit)
            .header("x-ratelimit-remaining", u64::saturating_sub(limit, *count))
            .header("x-ratelimit-reset", reset);
        if *count > limit {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let response = response.status(429).header("retry-after", reset);
            return response.body(Body::empty()).unwrap();
        }
        response.body(Body::from("{}")).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_used_up_keeps_calls_at_home_and_other_routes_go_on() {
    for (at_a_time, most) in [(1, 101), (8, 108)] {
        let peer = Limited::default();
        let client = peer.client();
        let calls = client.clone();
        storm(160, at_a_time, move || {
            let client = calls.clone();
            async move { drop(client.get("/list").send().await) }
        })
        .await;
        let requests = peer.requests.load(Ordering::Relaxed);
        assert!(requests <= most, "{requests} of {most}");
        assert!(requests >= 100, "{requests}");

        let error = client.get("/list").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.not_retried(), Some(NotRetried::RateLimited));
        assert_eq!((error.attempts(), error.elapsed()), (0, Duration::ZERO));
        let wait = error.retry_after().expect("when it may be called again");
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
        for _ in 0..2 {
            client.get("/other").send().await.unwrap();
            // What its limit has left says nothing of the one that is used up.
            let error = client.get("/list").send().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::RateLimited, 0)
            );
        }
        client.post("/list/7").send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_deadline_longer_than_the_window_every_call_succeeds_and_none_is_refused() {
    for at_a_time in [1, 8, 64] {
        let peer = Limited::default();
        let client = peer.client();
        let failed = Arc::new(AtomicU64::new(0));
        let failures = Arc::clone(&failed);
        let took = storm(160, at_a_time, move || {
            let client = client.clone();
            let failed = Arc::clone(&failures);
            async move {
                let request = client.get("/list").deadline(Duration::from_secs(90));
                if request.send().await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await;
        assert_eq!(failed.load(Ordering::Relaxed), 0, "{at_a_time}");
        assert_eq!(peer.refused.load(Ordering::Relaxed), 0, "{at_a_time}");
        assert!((60..62).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_while_it_waits_for_a_limit_leaves_nothing_behind() {
    let peer = Limited::default();
    let client = peer.client();
    for _ in 0..100 {
        client.get("/list").send().await.unwrap();
    }
    for millis in [0, 1, 20_000, 30_000] {
        let call = client.get("/list").deadline(Duration::from_secs(90)).send();
        let cancelled = tokio::time::timeout(Duration::from_millis(millis), call).await;
        assert!(cancelled.is_err(), "{millis}");
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    // The one that probes is cancelled too; the next one takes its place.
    let probe = client.get("/list").deadline(Duration::from_secs(90)).send();
    assert!(
        tokio::time::timeout(Duration::from_millis(2), probe)
            .await
            .is_err()
    );
    let start = Instant::now();
    client.get("/list").send().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_memory_of_its_limit_is_called_every_time() {
    let peer = Limited::default();
    let limited = peer.clone();
    let service = service_fn(move |request: Request<Body>| {
        let peer = limited.clone();
        async move { Ok::<_, Infallible>(peer.answer(request.uri().path())) }
    });
    let memory = PeerMemory::new().without_rate_limits();
    let client = client_over(RetryPolicy::new().with_peer_memory(memory), service);
    for _ in 0..160 {
        drop(client.get("/list").send().await);
    }
    assert_eq!(peer.requests.load(Ordering::Relaxed), 160);
}

/// A peer that works on 20 requests at a time, for 10 ms each, and refuses the others for a second.
/// It never says how many it takes.
#[derive(Clone, Default)]
struct Full {
    under_way: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Full {
    async fn answer(self) -> Response<Body> {
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= 20 {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            let mut refused = answer(429);
            let second = HeaderValue::from_static("1");
            refused.headers_mut().insert("retry-after", second);
            return refused;
        }
        sleep(Duration::from_millis(10)).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer(200)
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_waited_for_a_peer_that_does_not_say_how_many_it_takes_follow_scattered() {
    for (jitter, refused_again) in [(Jitter::Proportional, false), (Jitter::None, true)] {
        let peer = Full::default();
        let service = {
            let peer = peer.clone();
            service_fn(move |_: Request<Body>| {
                let peer = peer.clone();
                async move { Ok::<_, Infallible>(peer.answer().await) }
            })
        };
        let budget = RetryBudget::new(1000.0, 0).unwrap();
        let policy = RetryPolicy::new()
            .with_jitter(jitter)
            .with_peer_memory(PeerMemory::new().with_budget(budget));
        let client = client_over(policy, service);
        let took = storm(100, 100, move || {
            let client = client.clone();
            async move { drop(client.get("/list").send().await) }
        })
        .await;
        // The first one is how the client gets to know.
        let refused = peer.refused.load(Ordering::Relaxed);
        assert_eq!(refused > 1, refused_again, "{jitter:?}: {refused}");
        // A second as asked for, the one that probes, and half a second.
        let at_most = Duration::from_millis(if refused_again { 10_000 } else { 1700 });
        assert!(took < at_most, "{took:?}");
    }
}
