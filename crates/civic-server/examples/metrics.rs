//! Metrics of a service: one event per request, with labels that have few values.
//!
//! ```sh
//! cargo run --package civic-server --example metrics
//! ```
//!
//! It prints what `GET /metrics` would answer:
//!
//! ```text
//! http_server_requests_total{method="GET",route="/api/roll/properties/{id}",status="200"} 2
//! http_server_requests_total{method="GET",route="none",status="404"} 1
//! http_server_requests_total{method="POST",route="/api/roll/properties/{id}",status="405"} 1
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use civic_auth::{Secret, TokenVerifier};
use civic_server::layer::RequestEvent;
use civic_server::{Json, Path, Service};
use http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Counters by method, route and status: the route is a template, so callers cannot add labels.
#[derive(Clone, Default)]
struct Metrics(Arc<Mutex<BTreeMap<String, u64>>>);

impl Metrics {
    fn count(&self, event: &RequestEvent<'_>) {
        let labels = format!(
            "method=\"{}\",route=\"{}\",status=\"{}\"",
            event.method,
            event.route.unwrap_or("none"),
            event.status.map_or(0, |status| status.as_u16())
        );
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry(labels).or_default() += 1;
    }

    fn text(&self) -> String {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = counters
            .iter()
            .map(|(labels, count)| format!("http_server_requests_total{{{labels}}} {count}\n"));
        lines.collect()
    }
}

async fn property(Path(id): Path<String>) -> Json<String> {
    Json(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let metrics = Metrics::default();
    let observed = metrics.clone();
    let app = Service::new("/api/roll", TokenVerifier::new(secret))?
        .public(Router::new().route("/properties/{id}", get(property)))
        .observer(move |event| observed.count(event))
        .into_router();

    for (method, path) in [
        (Method::GET, "/api/roll/properties/prop-001"),
        (Method::GET, "/api/roll/properties/prop-002"),
        (Method::POST, "/api/roll/properties/prop-002"),
        (Method::GET, "/nowhere"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let response = app.clone().oneshot(request.body(Body::empty())?).await?;
        // A request has ended when its answer has.
        response.into_body().collect().await?;
    }
    print!("{}", metrics.text());
    Ok(())
}
