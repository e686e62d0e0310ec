//! What the layers of a service add to a route, one after the other.

use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use civic_auth::layer::AdoptDeadlineLayer;
use civic_auth::{AuthLayer, CorrelationIdLayer, Secret, TokenMinter, TokenVerifier};
use civic_envelope::EnvelopeLayer;
use civic_server::{ErrorShapeLayer, StackLayer};
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use super::envelope::{Property, property};
use super::piece::{OURS, Piece, addition};
use super::poll::{entered, ready};
use crate::measure::Side;

const SECRET: &str = "a secret for benchmarks, 32 bytes or more";
const BARE: &str = "the bare route";

/// The layers in the order in which they are added, from the handler out, each with all before it.
pub const LAYERS: [&str; 6] = [
    "route",
    "+ guard",
    "+ envelope",
    "+ deadline",
    "+ error shape",
    "+ correlation",
];

pub(super) fn pieces() -> Vec<Piece> {
    let mut pieces: Vec<Piece> = (0..LAYERS.len())
        .map(|layers| piece(LAYERS[layers], with_layers(layers)))
        .collect();
    let whole = bare()
        .layer(AuthLayer::new(verifier()))
        .layer(StackLayer::new());
    pieces.push(piece("the standard stack of civic-server", whole));
    pieces
}

fn piece(name: &'static str, mut app: Router) -> Piece {
    let mut plain = bare();
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || answer(&mut app)),
            Side::new(BARE, move || answer(&mut plain)),
        ],
        aims: Vec::new(),
        adds: (name == LAYERS[LAYERS.len() - 1]).then(|| addition(BARE, 3_000.0, "3 µs")),
    }
}

async fn handler(Path(_): Path<String>) -> Json<Property> {
    Json(property(1))
}

fn bare() -> Router {
    Router::new().route("/properties/{id}", get(handler))
}

/// Puts the layers around the route as one, the outermost first, as the documentation of axum says:
/// each call of `Router::layer` boxes the service, its futures and its bodies once more.
fn with_layers(layers: usize) -> Router {
    let guard = AuthLayer::new(verifier());
    let (envelope, deadline) = (EnvelopeLayer::new(), AdoptDeadlineLayer::new());
    let (shape, correlation) = (ErrorShapeLayer::new(), CorrelationIdLayer::new());
    match layers {
        0 => bare(),
        1 => bare().layer(guard),
        2 => bare().layer((envelope, guard)),
        3 => bare().layer((deadline, envelope, guard)),
        4 => bare().layer((shape, deadline, envelope, guard)),
        _ => bare().layer((correlation, shape, deadline, envelope, guard)),
    }
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(secret())
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is long enough")
}

fn answer(app: &mut Router) -> usize {
    // A deadline sets a timer, which belongs to a runtime.
    let _entered = entered();
    // Kept for the thread: a token lives for thirty seconds, and minting is not what is measured.
    thread_local! {
        static TOKEN: http::HeaderValue = TokenMinter::new(secret()).mint().to_header_value();
    }
    let request = Request::builder()
        .uri("/properties/prop-000001")
        .header(AUTHORIZATION, TOKEN.with(Clone::clone))
        .header("x-correlation-id", "0b7e1c3a-54d1-4c58-9a3e-8d5a2f1c7e90")
        .header("x-request-timeout-ms", "5000")
        .body(Body::empty())
        .expect("the request is valid");
    ready(async {
        let response = app.call(request).await.expect("infallible");
        assert!(response.status().is_success(), "{}", response.status());
        let body = response.into_body().collect().await.expect("it is whole");
        body.to_bytes().len()
    })
}
