//! Our callee for the same work: a civic-server with its standard stack.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use civic_auth::{Secret, TokenVerifier};
use civic_server::{Json, Path as PathOf, Server, Service, Shutdown};
use serde_json::{Map, Value};
use tokio::runtime;

use super::SECRET;

/// Serves the route on a free port, which it tells on standard output, until standard input ends.
///
/// # Panics
///
/// If it cannot serve.
pub fn serve(payloads: &Path) {
    let text = std::fs::read(payloads.join("assessment.json")).expect("there is a payload");
    let payload: Map<String, Value> = serde_json::from_slice(&text).expect("it is an object");
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let verifier = TokenVerifier::new(Secret::new(SECRET).expect("it is long enough"));
        let routes = Router::new()
            .route("/properties/{id}/assessment", get(assessment))
            .with_state(Arc::new(payload));
        let app = Service::new("/api/assessment-roll", verifier)
            .expect("the prefix is valid")
            .guarded(routes)
            .into_router();
        let server = Server::bind("127.0.0.1", 0).await.expect("a port is free");
        let port = server.local_addr().port();
        println!(r#"{{"event":"listening","port":{port}}}"#);
        let shutdown = Shutdown::new();
        let gone = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            while std::io::stdin()
                .read_line(&mut line)
                .is_ok_and(|read| read > 0)
            {
                line.clear();
            }
        });
        tokio::select! {
            served = server.serve(app, &shutdown) => served.expect("it serves"),
            _ = gone => {}
        }
    });
}

async fn assessment(
    State(payload): State<Arc<Map<String, Value>>>,
    PathOf(id): PathOf<String>,
) -> Json<Map<String, Value>> {
    let mut answer = Map::with_capacity(payload.len() + 1);
    answer.insert("id".into(), Value::from(id));
    answer.extend(
        payload
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    Json(answer)
}
