//! A POST that may be repeated: the client sends one key per call, and the service executes one
//! request per key.
//!
//! ```sh
//! cargo run --package civic-server --example idempotent_post
//! ```
//!
//! The keys are kept in Redis at `REDIS_URL`, or without it in files of this machine. It prints:
//!
//! ```text
//! making a bill for prop-001
//! 201 {"bill":1,"propertyId":"prop-001"}
//! 201 {"bill":1,"propertyId":"prop-001"}
//! 422 with another body, because: …
//! the handler ran 1 time
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, State};
use axum::routing::post;
use civic_auth::{Principal, RequestContext, Secret, TokenMinter, TokenVerifier};
use civic_client::ServiceClient;
use civic_lock::LockService;
use civic_lock::layer::{IdempotencyLayer, Scope};
use civic_server::{Json, Service};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

/// How many bills were made.
#[derive(Clone, Default)]
struct Bills(Arc<AtomicU32>);

async fn create(State(bills): State<Bills>, Json(order): Json<Value>) -> (StatusCode, Json<Value>) {
    let property = &order["propertyId"];
    println!(
        "making a bill for {}",
        property.as_str().unwrap_or_default()
    );
    let bill = bills.0.fetch_add(1, Ordering::Relaxed) + 1;
    let answer = json!({ "bill": bill, "propertyId": property });
    (StatusCode::CREATED, Json(answer))
}

/// Who shares keys: the requests of one caller, for one tenant, to one route.
fn scope(head: &Parts) -> Option<Scope> {
    let caller = head.extensions.get::<Principal>()?;
    let route = head.extensions.get::<MatchedPath>()?;
    Some(Scope::new(
        caller.user_id(),
        caller.tenant(),
        &head.method,
        route.as_str(),
    ))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let namespace = format!("example-{}", std::process::id());
    let locks = LockService::builder().namespace(namespace).build()?;
    // The execution goes on when its caller has gone, in the context of the request.
    let once = IdempotencyLayer::new(&locks, scope, |execution| {
        let context = RequestContext::current().without_deadline();
        tokio::spawn(context.scope(execution));
    });

    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let bills = Bills::default();
    let routes = Router::new()
        .route("/bills", post(create).route_layer(once))
        .with_state(bills.clone());
    let app = Service::new("/api/billing", TokenVerifier::new(secret.clone()))?
        .guarded(routes)
        .into_router();
    let client = ServiceClient::builder("http://billing")
        .minter(TokenMinter::new(secret))
        .build_in_process(app)?;

    // The key is made of what the effect is, so a process that starts again has the same one.
    let order = |property: &str| {
        client
            .post("/api/billing/bills")
            .idempotency_key("bill-2026-prop-001")
            .json(&json!({ "propertyId": property }))
    };
    for _ in 0..2 {
        let answer = order("prop-001").send().await?;
        println!("{} {}", answer.status().as_u16(), answer.json::<Value>()?);
    }
    let refused = order("prop-002").send().await.err().ok_or("a refusal")?;
    let status = refused.status().ok_or("an answer")?.as_u16();
    let message = refused.message().unwrap_or_default();
    println!("{status} with another body, because: {message}");
    println!("the handler ran {} time", bills.0.load(Ordering::Relaxed));
    locks.close(Duration::from_secs(1)).await;
    Ok(())
}
