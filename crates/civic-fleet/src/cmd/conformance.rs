//! `civic-fleet conformance`: assessment-roll's routes and one route per payload shape.
//!
//! For clients in other languages: each shape that a client may get wrong is one GET away.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use civic_envelope::SkipEnvelope;
use civic_server::{Failure, Json, JsonText, ValidQuery};
use garde::Validate;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::cmd::assessment_roll::{self, DEFAULT_PORT, PREFIX};
use crate::environment::{Environment, StartError};
use crate::serve::{print_line, serve};

/// The longest answer of `/big`: more than any client of the platform accepts.
const MAX_KB: usize = 64 * 1024;

/// How long the handlers of effects work: long enough to be met by a server that stops.
const WORK: Duration = Duration::from_millis(4);

#[derive(Debug, Deserialize, Validate)]
struct Size {
    #[garde(range(max = MAX_KB))]
    kb: Option<usize>,
}

/// Runs the service until it is stopped.
pub(crate) async fn run(environment: &Environment) -> Result<(), StartError> {
    let service = environment
        .service(PREFIX)?
        .guarded(assessment_roll::routes())
        .guarded(shapes());
    serve(service, environment, DEFAULT_PORT).await
}

fn shapes() -> Router {
    Router::new()
        .route("/null", get(|| text("null")))
        .route(
            "/array",
            get(|| text(include_str!("../payload/array.json"))),
        )
        .route(
            "/string",
            get(|| text(include_str!("../payload/string.json"))),
        )
        .route("/number", get(|| text("42")))
        .route("/boolean", get(|| text("false")))
        .route(
            "/looks-like-envelope",
            get(|| text(include_str!("../payload/looks_like_envelope.json"))),
        )
        .route("/unwrapped", get(unwrapped))
        .route("/soft-failure", get(soft_failure))
        .route("/big", get(big))
        .route("/sse", get(sse))
        .route("/file", get(file))
        .route("/empty", get(|| async { StatusCode::OK }))
        .route("/problem", get(problem))
        .route("/panic", get(panic))
        .route("/missing", get(|| async { StatusCode::NOT_FOUND }))
        .route("/effects", get(read).post(effect))
}

async fn text(json: &'static str) -> JsonText {
    JsonText(Bytes::from_static(json.as_bytes()))
}

/// Answers raw JSON: the handler declines the envelope.
async fn unwrapped() -> Response {
    let mut response = text(include_str!("../payload/unwrapped.json"))
        .await
        .into_response();
    response.extensions_mut().insert(SkipEnvelope);
    response
}

/// Answers 200 with a failure inside, as some Node services do, in an envelope that the handler
/// wrote.
async fn soft_failure() -> Response {
    let members = include_str!("../payload/soft_failure.json");
    let members = members.strip_suffix('}').unwrap_or(members);
    let now = jiff::Timestamp::now();
    let mut response =
        JsonText(format!("{members},\"timestamp\":\"{now:.3}\"}}").into()).into_response();
    response.extensions_mut().insert(SkipEnvelope);
    response
}

/// Answers a payload of about `kb` kibibytes.
async fn big(ValidQuery(size): ValidQuery<Size>) -> Json<serde_json::Value> {
    let kb = size.kb.unwrap_or(1);
    Json(serde_json::json!({
        "kb": kb,
        "filler": "0123456789abcdef".repeat(kb * 64),
    }))
}

/// Answers three events and the end of the stream.
async fn sse() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))],
        "event: assessment\ndata: {\"n\":1}\n\nevent: assessment\ndata: {\"n\":2}\n\nevent: end\ndata: {}\n\n",
    )
}

/// Answers a file with each possible byte, so that a client that reads text is noticed.
async fn file() -> impl IntoResponse {
    (
        [
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            ),
            (
                CONTENT_DISPOSITION,
                HeaderValue::from_static("attachment; filename=\"roll.bin\""),
            ),
        ],
        (0..=u8::MAX).collect::<Vec<_>>(),
    )
}

/// Answers an error in the form of RFC 9457.
async fn problem() -> impl IntoResponse {
    (
        StatusCode::CONFLICT,
        [(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        )],
        r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"The roll of 2026 is closed"}"#,
    )
}

/// What an effect is known by.
#[derive(Debug, Deserialize, Serialize)]
struct Effect {
    id: String,
}

/// Has an effect that can be counted: a line on stdout with the id of the request's body.
async fn effect(Json(effect): Json<Effect>) -> Result<Json<Effect>, Failure> {
    let event = serde_json::json!({ "event": "effect", "effect": effect.id });
    print_line(&event).map_err(Failure::internal)?;
    sleep(WORK).await;
    Ok(Json(effect))
}

/// Works as long as an effect does.
async fn read() -> Json<u8> {
    sleep(WORK).await;
    Json(1)
}

/// Panics, as a handler with a bug does.
async fn panic() -> StatusCode {
    panic!("this route panics, to show what a caller sees then")
}
