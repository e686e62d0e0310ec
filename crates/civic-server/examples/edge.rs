//! A service that browsers and gateways reach directly.
//!
//! ```text
//! JWT_SECRET=$(openssl rand -hex 32) UI_ORIGIN=https://desk.town.example \
//!     cargo run --package civic-server --example edge
//! ```
//!
//! Three things make it an edge. Edge mode removes what only services of the fleet may send: a
//! deadline, the mark of a retry, a transaction token, a fence. The rules about the cookie refuse
//! what another site's page has a browser send. And each call to the services behind carries the
//! user on, because the guard mints a transaction token for each user whom it admits.

use std::env;
use std::error::Error;

use axum::Router;
use axum::routing::{get, post};
use civic_auth::{AuthLayer, CookieRules, KeyRing, Principal, TokenVerifier, TransactionTokens};
use civic_server::{Json, Server, Service, Shutdown};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secrets = KeyRing::from_env()?;
    let ui = env::var("UI_ORIGIN").unwrap_or_else(|_| "http://localhost:3000".to_owned());

    // A cookie that only this host can set, and that counts only on pages of the user interface.
    let cookies = CookieRules::named("__Host-token")?
        .with_trusted_origins([ui.as_str()])?
        .same_origin_only();
    let verifier = TokenVerifier::new(secrets.clone())
        .with_service_name("desk")
        .with_cookie(cookies);
    let guard = AuthLayer::new(verifier)
        .with_transactions(TransactionTokens::from_secrets(secrets, "desk"));

    let app = Service::new("/api/desk", guard)?
        .guarded(
            Router::new()
                .route("/me", get(me))
                .route("/notes", post(note)),
        )
        .public(Router::new().route("/opening-hours", get(opening_hours)))
        .edge()
        .into_router();
    let server = Server::bind("127.0.0.1", 3030).await?;
    println!("http://{}/api/desk/opening-hours", server.local_addr());
    server.serve(app, &Shutdown::on_signals()?).await?;
    Ok(())
}

/// Who is asking. A `fetch` of the user interface, with the cookie.
async fn me(caller: Principal) -> Json<Value> {
    Json(json!({ "name": caller.name(), "municipality": caller.tenant() }))
}

/// An effect: a form of another site is answered 403 before this runs.
async fn note(caller: Principal, Json(note): Json<Value>) -> Json<Value> {
    Json(json!({ "note": note, "by": caller.user_id() }))
}

/// For everyone, and so without a guard.
async fn opening_hours() -> Json<&'static str> {
    Json("Monday to Friday, 9 to 12")
}
