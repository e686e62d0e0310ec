//! Only the envelope, around an axum application that is there already.
//!
//! ```sh
//! cargo run --package civic-envelope --features axum,layer --example axum_app
//! ```
//!
//! It prints:
//!
//! ```text
//! 200 /properties/prop-001 {"success":true,"data":{"id":"prop-001"},"timestamp":"…"}
//! 404 /properties/prop-009 {"statusCode":404,"message":"No property prop-009",…}
//! 200 /health {"status":"ok"}
//! ```

use std::error::Error;

use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use civic_envelope::{EnvelopeLayer, Failure};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde::Serialize;
use tower::ServiceExt;

#[derive(Serialize)]
struct Property {
    id: String,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// A failure is an error body. It gets no envelope.
async fn property(Path(id): Path<String>) -> Result<Json<Property>, Failure> {
    match id.as_str() {
        "prop-001" => Ok(Json(Property { id })),
        _ => Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("No property {id}"),
        )),
    }
}

/// The application that was there before.
fn routes() -> Router {
    Router::new()
        .route("/properties/{id}", get(property))
        .route("/health", get(async || Json(Health { status: "ok" })))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // This line is all that the application needs. Probes read `/health` as it is.
    let app = routes().layer(EnvelopeLayer::new().with_excluded_paths(["/health"]));

    // A service would call `axum::serve(listener, app)` here.
    for path in ["/properties/prop-001", "/properties/prop-009", "/health"] {
        let request = Request::get(path).body(Body::empty())?;
        let response = app.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status} {path} {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
