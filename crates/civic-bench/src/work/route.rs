//! What the layers of a service add to a route, one after the other.

use std::sync::LazyLock;

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
use tokio::runtime::{self, Runtime};
use tower_service::Service as _;

use super::envelope::{Property, property};
use super::piece::{OURS, Piece};
use super::poll::ready;
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

/// No request waits in it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be made")
});

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
    }
}

async fn handler(Path(_): Path<String>) -> Json<Property> {
    Json(property(1))
}

fn bare() -> Router {
    Router::new().route("/properties/{id}", get(handler))
}

fn with_layers(layers: usize) -> Router {
    let mut app = bare();
    if layers >= 1 {
        app = app.layer(AuthLayer::new(verifier()));
    }
    if layers >= 2 {
        app = app.layer(EnvelopeLayer::new());
    }
    if layers >= 3 {
        app = app.layer(AdoptDeadlineLayer::new());
    }
    if layers >= 4 {
        app = app.layer(ErrorShapeLayer::new());
    }
    if layers >= 5 {
        app = app.layer(CorrelationIdLayer::new());
    }
    app
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(secret())
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is long enough")
}

fn answer(app: &mut Router) -> usize {
    // A deadline sets a timer, which belongs to a runtime.
    let _entered = RUNTIME.enter();
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
