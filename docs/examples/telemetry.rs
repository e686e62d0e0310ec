//! Traces and metrics of a service and of its client, with the crates of OpenTelemetry and of
//! Prometheus.
//!
//! ```sh
//! cargo run --package civic-docs --example telemetry
//! ```
//!
//! The spans go to memory in place of a collector, and the metrics to stdout in place of a scraper.
//! The service is busy the first time, so that there are two attempts. The span `request` around
//! that of the server is the one of the correlation id. It prints:
//!
//! ```text
//! one trace of 7 spans:
//! Internal a clerk asks
//!   Client GET /api/roll/value
//!     Internal request
//!       Server GET /api/roll/value
//!   Client GET /api/roll/value
//!     Internal request
//!       Server GET /api/roll/value
//! civic_client_retries_total{…} 1
//! http_server_requests_total{…status="200"} 1
//! http_server_requests_total{…status="503"} 1
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_client::observe::MetricsObserver;
use civic_client::{ServiceClient, ServiceClientBuilder};
use civic_server::layer::RequestEvent;
use civic_server::{Failure, Json, Service};
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::global;
use opentelemetry::trace::{FutureExt, SpanId, TracerProvider};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Is busy the first time.
async fn value(State(asked): State<Arc<AtomicBool>>) -> Result<Json<u32>, Failure> {
    if asked.swap(true, Ordering::Relaxed) {
        Ok(Json(500_000))
    } else {
        Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy"))
    }
}

/// The spans of this service hang under the one that its caller names in `traceparent`.
async fn continued(request: Request, next: Next) -> Response {
    let caller = global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(request.headers()))
    });
    next.run(request).with_context(caller).await
}

/// The client names the span of each attempt in `traceparent`.
fn traced(client: ServiceClientBuilder) -> ServiceClientBuilder {
    client.trace_injector(|span, headers| {
        let context = span.context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(headers));
        });
    })
}

fn count(request: &RequestEvent<'_>) {
    let status = request.status.map_or(0, |status| status.as_u16());
    let labels = [
        ("method", request.method.to_owned()),
        ("route", request.route.unwrap_or("none").to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("http_server_requests_total", &labels).increment(1);
}

/// Prints the spans below `parent`, and below each those that it has caused.
fn print(spans: &[SpanData], parent: SpanId, indent: usize) {
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == parent)
        .collect();
    children.sort_by_key(|span| span.start_time);
    for span in children {
        println!("{:indent$}{:?} {}", "", span.span_kind, span.name);
        print(spans, span.span_context.span_id(), indent + 2);
    }
}

// The clock is paused, so that nothing waits between the attempts.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("example")))
        .init();
    let prometheus = PrometheusBuilder::new().install_recorder()?; // before clients are built

    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let routes = Router::new()
        .route("/value", get(value))
        .with_state(Arc::<AtomicBool>::default());
    let app = Service::new("/api/roll", TokenVerifier::new(secret.clone()))?
        .guarded(routes)
        .observer(count)
        .into_router()
        .layer(from_fn(continued)); // around everything: before the span of the request begins
    let client = traced(ServiceClient::builder("http://roll"))
        .minter(TokenMinter::new(secret))
        .observer(MetricsObserver::new())
        .build_in_process(app)?;

    let call = client.get("/api/roll/value").fetch::<u32>();
    let value = call.instrument(tracing::info_span!("a clerk asks")).await?;
    assert_eq!(value, 500_000);

    let spans = exporter.get_finished_spans()?;
    let traces: BTreeSet<_> = spans
        .iter()
        .map(|span| span.span_context.trace_id().to_string())
        .collect();
    assert_eq!(traces.len(), 1, "{traces:?}");
    println!("one trace of {} spans:", spans.len());
    print(&spans, SpanId::INVALID, 0);

    let metrics = prometheus.render();
    let mut counters: Vec<_> = metrics
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains("_total"))
        .collect();
    counters.sort_unstable();
    for counter in counters {
        println!("{counter}");
    }
    Ok(())
}
