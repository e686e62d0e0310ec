//! What `GET /health/ready` says, in the shape of Terminus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use civic_server::{Readiness, Service, Shutdown};
use civic_testkit::log::Capture;
use http::{Method, Request};
use tokio::time::{Instant, advance, sleep};

use crate::support::{PREFIX, answer, verifier};

fn app(readiness: Readiness) -> Router {
    Service::new(PREFIX, verifier())
        .unwrap()
        .readiness(readiness)
        .into_router()
}

async fn probe(app: &Router) -> (u16, String) {
    let request = Request::get("/health/ready").body(axum::body::Body::empty());
    let answer = answer(app, request.unwrap()).await;
    assert_eq!(
        answer.header("cache-control"),
        Some("no-cache, no-store, must-revalidate")
    );
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer.status.as_u16(), body)
}

fn failing() -> std::io::Result<()> {
    Err(std::io::Error::other("password of the store"))
}

#[tokio::test]
async fn without_checks_a_service_is_ready() {
    let (status, body) = probe(&app(Readiness::new())).await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"status":"ok","info":{},"error":{},"details":{}}"#)
    );
}

#[tokio::test]
async fn every_check_is_named_and_a_service_is_ready_if_all_pass() {
    let readiness = Readiness::new()
        .check("lock-store", async || std::io::Result::Ok(()))
        .check("database", async || std::io::Result::Ok(()));
    let (status, body) = probe(&app(readiness)).await;
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            r#"{"status":"ok","info":{"lock-store":{"status":"up"},"database":{"status":"up"}},"error":{},"details":{"lock-store":{"status":"up"},"database":{"status":"up"}}}"#
        )
    );
}

#[tokio::test]
async fn a_check_that_fails_is_503_and_its_reason_is_logged_and_never_sent() {
    let capture = Capture::start();
    let readiness = Readiness::new()
        .check("lock-store", async || failing())
        .check("database", async || std::io::Result::Ok(()));
    let (status, body) = probe(&app(readiness)).await;
    assert_eq!(
        (status, body.as_str()),
        (
            503,
            r#"{"status":"error","info":{"database":{"status":"up"}},"error":{"lock-store":{"status":"down"}},"details":{"lock-store":{"status":"down"},"database":{"status":"up"}}}"#
        )
    );
    let log = capture.text();
    assert!(
        log.contains("lock-store") && log.contains("password of the store"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_or_panics_fails_within_800_ms_and_the_others_run_meanwhile() {
    let readiness = Readiness::new()
        .check("hangs", async || {
            std::future::pending::<()>().await;
            std::io::Result::Ok(())
        })
        .check("panics", async || -> std::io::Result<()> {
            panic!("a bug")
        })
        .check("slow", async || {
            sleep(Duration::from_millis(700)).await;
            std::io::Result::Ok(())
        });
    let begun = Instant::now();
    let (status, body) = probe(&app(readiness)).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(800));
    assert_eq!(status, 503);
    assert!(
        body.contains(r#""details":{"hangs":{"status":"down"},"panics":{"status":"down"},"slow":{"status":"up"}}"#),
        "{body}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_check_can_be_set() {
    let readiness = Readiness::new()
        .check("slow", async || {
            sleep(Duration::from_secs(2)).await;
            std::io::Result::Ok(())
        })
        .timeout(Duration::from_secs(3));
    assert_eq!(probe(&app(readiness)).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn the_checks_run_once_per_second_however_often_the_route_is_asked() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let readiness = Readiness::new().check("store", move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(Duration::from_millis(100)).await;
            std::io::Result::Ok(())
        }
    });
    let app = app(readiness);
    let probes: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let app = app.clone();
                async move { probe(&app).await.0 }
            })
        })
        .collect();
    for probe in probes {
        assert_eq!(probe.await.unwrap(), 200);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    advance(Duration::from_secs(1)).await;
    probe(&app).await;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_passes_again_makes_the_service_ready_and_only_changes_are_logged() {
    let capture = Capture::start();
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let readiness = Readiness::new().check("store", move || {
        let is_up = seen.load(Ordering::Relaxed);
        async move { if is_up { Ok(()) } else { failing() } }
    });
    let app = app(readiness);
    for (up, status) in [(false, 503), (false, 503), (true, 200), (true, 200)] {
        is_up.store(up, Ordering::Relaxed);
        advance(Duration::from_secs(2)).await;
        assert_eq!(probe(&app).await.0, status);
    }
    let log = capture.text();
    assert_eq!(log.matches("not ready: a check fails").count(), 1, "{log}");
    assert_eq!(log.matches("a check passes again").count(), 1, "{log}");
}

#[tokio::test]
async fn a_check_of_the_same_name_replaces_the_first() {
    let readiness = Readiness::new()
        .check("store", async || failing())
        .check("store", async || std::io::Result::Ok(()));
    assert_eq!(probe(&app(readiness)).await.0, 200);
}

#[tokio::test]
async fn a_service_that_is_stopping_says_so_whatever_its_checks_say() {
    for check in [std::io::Result::Ok as fn(()) -> _, |()| failing()] {
        let readiness = Readiness::new().check("store", move || async move { check(()) });
        let app = app(readiness);
        let shutdown = Shutdown::new();
        shutdown.drain();
        let request = Request::builder()
            .method(Method::GET)
            .uri("/health/ready")
            .extension(shutdown)
            .body(axum::body::Body::empty());
        let answer = answer(&app, request.unwrap()).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["status"], "shutting_down");
    }
}
