//! Slow and greedy callers: what each costs is bounded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use civic_server::layer::{ObserveLayer, RequestOutcome};
use civic_server::{Json, Server, StackLayer};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::wire::{Caller, Served};

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/x", post(async |Json(body): Json<Value>| Json(body)))
        .layer(StackLayer::new())
}

/// When the server closes this connection.
async fn closed_after(caller: &mut Caller) -> Duration {
    let begun = Instant::now();
    caller.rest().await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_not_complete_ten_seconds_after_its_first_byte_is_cut_off() {
    for sent in [
        "G",
        "GET / HTT",
        "GET / HTTP/1.1\r\nhost: x\r\nx-a: ",
        "PRI * HTTP/2",
    ] {
        let served = Served::start(app());
        let mut caller = served.connect();
        // The time begins with the first byte.
        sleep(Duration::from_secs(30)).await;
        caller.write(sent).await;
        assert_eq!(
            closed_after(&mut caller).await,
            Duration::from_secs(10),
            "{sent}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_has_no_more_time_than_another() {
    let served = Served::start(app());
    let mut caller = served.connect();
    // The second head of a connection, too.
    caller.get("/").await;
    sleep(Duration::from_secs(20)).await;
    let begun = Instant::now();
    for byte in "GET / HTTP/1.1\r\nx-a: 1".chars() {
        if caller.try_write(&byte.to_string()).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert!(
        begun.elapsed() <= Duration::from_secs(11),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(caller.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed_after_75_seconds() {
    let served = Served::start(app());
    let mut silent = served.connect();
    assert_eq!(closed_after(&mut silent).await, Duration::from_secs(75));
    let mut used = served.connect();
    sleep(Duration::from_secs(70)).await;
    used.get("/").await;
    assert_eq!(closed_after(&mut used).await, Duration::from_secs(75));
}

#[tokio::test(start_paused = true)]
async fn the_bounds_can_be_set() {
    let served = Served::start_with(app(), |server| {
        server
            .with_head_timeout(Duration::from_secs(1))
            .with_idle_timeout(Duration::from_secs(2))
            .with_body_timeout(Duration::from_secs(3))
    });
    let mut half = served.connect();
    half.write("GET").await;
    assert_eq!(closed_after(&mut half).await, Duration::from_secs(1));
    assert_eq!(
        closed_after(&mut served.connect()).await,
        Duration::from_secs(2)
    );
    let begun = Instant::now();
    let mut body = served.connect();
    body.write(&post_head(10)).await;
    assert_eq!(body.answer().await.status, 408);
    assert_eq!(
        begun.elapsed().as_secs(),
        3 + 2,
        "and 2 s for the rest of the body"
    );
}

fn post_head(length: usize) -> String {
    format!(
        "POST /x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_for_thirty_seconds_is_answered_408_in_the_platforms_shape() {
    let served = Served::start(app());
    let mut caller = served.connect();
    caller.write(&post_head(100)).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(29)).await;
        caller.write(" ").await;
    }
    let answer = caller.answer().await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.json()["statusCode"], 408);
    assert_eq!(
        answer.header("connection"),
        Some("close"),
        "the rest may still come"
    );
    assert_eq!(caller.rest().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_refused_at_the_limit_and_its_refusal_arrives() {
    let served = Served::start(app());
    let mut caller = served.connect();
    caller
        .write("POST /x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // As many as the server takes: 2 MB, and the bytes that it drops.
    for _ in 0..((2 + 32) * 16 + 1) {
        if caller.try_write(&chunk).await.is_err() {
            break;
        }
    }
    let answer = caller.answer().await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["statusCode"], 413);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn the_refusal_of_a_large_body_arrives_and_the_connection_lives_on() {
    let served = Served::start(app());
    let body = "x".repeat(10 * 1024 * 1024);
    for (method, path, content_type, status) in [
        ("POST", "/x", "application/json", 413),
        ("POST", "/x", "text/plain", 415),
        ("POST", "/nowhere", "application/json", 404),
        ("DELETE", "/x", "application/json", 405),
    ] {
        let mut caller = served.connect();
        caller
            .write(&format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let answer = caller.answer().await;
        assert_eq!(answer.status, status, "{path} {content_type}");
        assert_eq!(answer.json()["statusCode"], status);
        assert_eq!(caller.get("/").await.status, 200, "the connection lives on");
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refused_request_that_waits_for_100_continue_is_never_asked_for() {
    let served = Served::start(app());
    let mut caller = served.connect();
    caller
        .write("POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n")
        .await;
    let begun = Instant::now();
    assert_eq!(caller.answer().await.status, 404);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// A server whose one answer is larger than what fits between it and its caller, and how its
/// requests have ended.
fn with_a_large_answer() -> (Served, Arc<Mutex<Vec<RequestOutcome>>>) {
    let outcomes = Arc::<Mutex<Vec<RequestOutcome>>>::default();
    let seen = Arc::clone(&outcomes);
    let large = "x".repeat(1024 * 1024);
    let app = Router::new()
        .route("/", get(async move || Body::from(large)))
        .layer(ObserveLayer::new(move |event| {
            seen.lock().unwrap().push(event.outcome);
        }));
    (Served::start(app), outcomes)
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_take_its_answer_is_cut_off_after_thirty_seconds() {
    let (served, _) = with_a_large_answer();
    let mut caller = served.connect();
    caller.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(Duration::from_secs(31)).await;
    let text = caller.rest().await;
    assert!(text.starts_with("HTTP/1.1 200"), "it had begun");
    assert!(text.len() < 512 * 1024, "{}", text.len());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_its_answer_slowly_gets_all_of_it() {
    let (served, outcomes) = with_a_large_answer();
    let mut caller = served.connect();
    caller
        .write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let mut read = 0;
    loop {
        sleep(Duration::from_secs(25)).await;
        match caller.some(64 * 1024).await {
            0 => break,
            more => read += more,
        }
    }
    assert!(read > 1024 * 1024, "{read}");
    assert_eq!(outcomes.lock().unwrap()[..], [RequestOutcome::Answered]);
}

#[tokio::test(start_paused = true)]
async fn a_head_of_sixteen_kib_is_read_and_a_larger_one_is_431() {
    let served = Served::start(app());
    for (size, status) in [(15 * 1024, 200), (17 * 1024, 431), (1024 * 1024, 431)] {
        let mut caller = served.connect();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n",
            "a".repeat(size)
        );
        let writing = caller.try_write(&head).await;
        let answer = match writing {
            // The server need not read all of it.
            Err(_) => caller.rest().await,
            Ok(()) => format!("HTTP/1.1 {}", caller.answer().await.status),
        };
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{size}: {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_idle_connections_are_closed_in_time_and_do_not_delay_a_shutdown() {
    let served = Served::start(app());
    let mut idle: Vec<Caller> = (0..10_000).map(|_| served.connect()).collect();
    for caller in idle.iter_mut().step_by(100) {
        assert_eq!(caller.get("/").await.status, 200);
    }
    for caller in idle.iter_mut().skip(1).step_by(100) {
        caller.write("GET / HT").await;
    }
    let begun = Instant::now();
    served.shutdown.drain();
    // Others are served meanwhile.
    assert_eq!(served.connect().get("/").await.status, 200);
    served.ended().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    for caller in &mut idle {
        assert_eq!(caller.rest().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_does_not_delay_a_shutdown_beyond_the_drain_limit() {
    let served = Served::start_with(app(), |server: Server| {
        server.with_body_timeout(Duration::from_secs(3600))
    });
    let mut caller = served.connect();
    caller.write(&post_head(1_000_000)).await;
    caller.write("[").await;
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    served.shutdown.drain();
    served.ended().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
}
