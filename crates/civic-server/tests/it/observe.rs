//! One event per request, with bounded labels.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use civic_server::layer::{Observe, ObserveLayer, RequestOutcome};
use civic_server::{Failure, Json, Service};
use civic_testkit::contract::assert_ready_before_call;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::sleep;
use tower::ServiceExt as _;

use crate::support::{PREFIX, request, send, verifier};

/// An event without its borrowed parts.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    method: &'static str,
    route: Option<String>,
    status: Option<u16>,
    outcome: RequestOutcome,
    duration: Duration,
}

fn app() -> (Router, Arc<Mutex<Vec<Seen>>>) {
    let events = Arc::<Mutex<Vec<Seen>>>::default();
    let seen = Arc::clone(&events);
    let slow = async || {
        sleep(Duration::from_secs(3)).await;
        Json(1)
    };
    let routes = Router::new()
        .route(
            "/things/{id}",
            get(async || Json(1)).fallback(async || Json(2)),
        )
        .route("/slow", get(slow))
        .route(
            "/fails",
            post(async || Err::<(), _>(Failure::new(StatusCode::CONFLICT, "no"))),
        )
        .route("/panics", get(async || -> Json<u8> { panic!("a bug") }));
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(routes)
        .observer(move |event| {
            seen.lock().unwrap().push(Seen {
                method: event.method,
                route: event.route.map(str::to_owned),
                status: event.status.map(|status| status.as_u16()),
                outcome: event.outcome,
                duration: event.duration,
            });
        })
        .into_router();
    (app, events)
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_one_event_whatever_made_it() {
    let (app, events) = app();
    let odd = Method::from_bytes(b"BREW").unwrap();
    let thing = Some("/api/things/things/{id}");
    for (method, path, label, route, status) in [
        (Method::GET, "/api/things/things/7", "GET", thing, 200),
        (
            Method::GET,
            "/api/things/things/secret?q=1",
            "GET",
            thing,
            200,
        ),
        (odd, "/api/things/things/7", "_OTHER", thing, 200),
        (
            Method::POST,
            "/api/things/fails",
            "POST",
            Some("/api/things/fails"),
            409,
        ),
        (
            Method::GET,
            "/api/things/fails",
            "GET",
            Some("/api/things/fails"),
            405,
        ),
        (
            Method::GET,
            "/api/things/panics",
            "GET",
            Some("/api/things/panics"),
            500,
        ),
        (Method::GET, "/nowhere/secret", "GET", None, 404),
        (Method::GET, "/health", "GET", Some("/health"), 200),
    ] {
        send(&app, request(method, path)).await;
        let event = events.lock().unwrap().pop().expect("an event");
        assert_eq!(event.method, label, "{path}");
        assert_eq!(event.route.as_deref(), route, "{path}");
        assert_eq!(event.status, Some(status), "{path}");
        assert_eq!(event.outcome, RequestOutcome::Answered, "{path}");
        assert!(events.lock().unwrap().is_empty(), "{path}: one event");
    }
    let refused = Request::get("/api/things/things/7");
    send(&app, refused).await;
    assert_eq!(events.lock().unwrap()[0].status, Some(401));
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_to_the_end_of_the_answer() {
    let (app, events) = app();
    let request = request(Method::GET, "/api/things/slow").body(axum::body::Body::empty());
    let response = app.oneshot(request.unwrap()).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    assert!(
        events.lock().unwrap().is_empty(),
        "the answer has not ended"
    );
    response.into_body().collect().await.unwrap();
    let events = events.lock().unwrap();
    assert_eq!(events[0].duration, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_is_told_apart() {
    let (app, events) = app();
    let ask = |path: &str| {
        let request = request(Method::GET, path).body(axum::body::Body::empty());
        app.clone().oneshot(request.unwrap())
    };
    let waiting = tokio::time::timeout(Duration::from_secs(1), ask("/api/things/slow")).await;
    assert!(waiting.is_err());
    drop(ask("/api/things/things/7").await.unwrap());
    let seen: Vec<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| (event.outcome.as_str(), event.status))
        .collect();
    assert_eq!(seen, [("no_answer", None), ("cut_off", Some(200))]);
}

#[tokio::test]
async fn the_layer_calls_the_service_that_it_polled() {
    let request = Request::new(http_body_util::Full::<bytes::Bytes>::default());
    assert_ready_before_call(ObserveLayer::new(|_| {}), request).await;
}

#[test]
fn the_wrapped_service_can_be_reached_and_taken_back() {
    let mut service = Observe::new(1, |_| {});
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.into_inner()), (2, 2));
}
