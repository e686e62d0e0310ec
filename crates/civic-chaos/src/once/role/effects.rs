//! A service whose handler has an effect: `effects PORT FILE`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use civic_lock::LockService;
use civic_lock::layer::{IdempotencyLayer, Scope};
use civic_server::{Server, Shutdown};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::output::{LISTENING, print};
use crate::history::monotonic;
use crate::once::facts::posts::Effect;
use crate::once::notes;
use crate::random::Random;

/// What a service writes into its log when it starts.
pub(crate) const STARTED: &str = "service started";
/// The work before an effect and after it takes so many milliseconds at most.
const WORK_MS: u64 = 30;

/// The effects of this process.
#[derive(Debug)]
struct Effects {
    file: PathBuf,
    next: AtomicU64,
}

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [port, file] = arguments else {
        return Err("effects needs a port and a file".into());
    };
    // Each life begins with it, for a reader who counts.
    eprintln!("{STARTED}");
    let effects = Arc::new(Effects {
        file: file.into(),
        next: AtomicU64::new(1),
    });
    let app = Router::new()
        .route("/effects", post(effect))
        .with_state(effects)
        .layer(layer(&LockService::from_env()?));
    let server = Server::bind("127.0.0.1", port.parse()?).await?;
    print(&json!({"event": LISTENING}))?;
    server.serve(app, &Shutdown::new()).await?;
    Ok(())
}

/// One effect per tenant and key. A real service has a guard in front of it, and its principal.
fn layer(locks: &LockService) -> IdempotencyLayer {
    let scope = |head: &Parts| {
        let tenant = head.headers.get("x-tenant")?.to_str().ok()?;
        Some(Scope::new("caller", Some(tenant), &head.method, "/effects"))
    };
    IdempotencyLayer::new(locks, scope, |execution| {
        tokio::spawn(execution);
    })
}

async fn effect(
    State(effects): State<Arc<Effects>>,
    body: String,
) -> Result<(StatusCode, [(http::HeaderName, &'static str); 1], String), StatusCode> {
    let body: Value = serde_json::from_str(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let n = body["n"].as_u64().ok_or(StatusCode::BAD_REQUEST)?;
    let mut random = Random::new(n ^ monotonic());
    sleep(Duration::from_millis(random.between(0, WORK_MS))).await;
    let number = effects.next.fetch_add(1, Ordering::Relaxed);
    let effect = Effect {
        n,
        effect: format!("{}-{number}-{}", std::process::id(), monotonic()),
    };
    let made = json!({"n": n, "effect": effect.effect});
    let noted = tokio::task::spawn_blocking(move || notes::append(&effects.file, &effect)).await;
    if !matches!(noted, Ok(Ok(()))) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    sleep(Duration::from_millis(random.between(0, WORK_MS))).await;
    Ok((
        StatusCode::CREATED,
        [(CONTENT_TYPE, "application/json")],
        made.to_string(),
    ))
}
