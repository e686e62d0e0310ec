//! A service that browsers and gateways reach directly.
//!
//! ```sh
//! cargo run --package civic-server --example edge
//! ```
//!
//! Three things make it an edge. Edge mode removes what only services of the fleet may send: a
//! deadline, the mark of a retry, a transaction token, a fence. The rules about the cookie refuse
//! what another site's page has a browser send. And each call to the services behind carries the
//! user on, because the guard mints a transaction token for each user whom it admits. It prints:
//!
//! ```text
//! 200 the user interface reads: {"municipality":"m-7","name":"Ada"}
//! 201 the user interface writes: {"by":"u-1","note":"call back"}
//! 403 a form on another site: Cross-site request refused
//! 200 anyone, with a deadline that only services may set: "Monday to Friday, 9 to 12"
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use civic_auth::{
    AuthLayer, CookieRules, Principal, Role, Secret, TokenMinter, TokenVerifier, TransactionTokens,
    UserClaims,
};
use civic_server::{Json, Service};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const UI: &str = "https://desk.town.example";

/// Who is asking. A `fetch` of the user interface, with the cookie.
async fn me(caller: Principal) -> Json<Value> {
    Json(json!({ "name": caller.name(), "municipality": caller.tenant() }))
}

/// An effect: a form of another site is answered 403 before this runs.
async fn note(caller: Principal, Json(note): Json<Value>) -> (StatusCode, Json<Value>) {
    let note = json!({ "note": note["text"], "by": caller.user_id() });
    (StatusCode::CREATED, Json(note))
}

fn app(secret: &Secret) -> Result<Router, Box<dyn Error>> {
    // A cookie that only this host can set, and that counts only on pages of the user interface.
    let cookies = CookieRules::named("__Host-token")?
        .with_trusted_origins([UI])?
        .same_origin_only();
    let verifier = TokenVerifier::new(secret.clone())
        .with_service_name("desk")
        .with_cookie(cookies);
    let guard = AuthLayer::new(verifier)
        .with_transactions(TransactionTokens::from_secrets(secret.clone(), "desk"));
    let guarded = Router::new()
        .route("/me", get(me))
        .route("/notes", post(note));
    // For everyone, and so without a guard.
    let opening_hours = get(async || Json("Monday to Friday, 9 to 12"));
    Ok(Service::new("/api/desk", guard)?
        .guarded(guarded)
        .public(Router::new().route("/opening-hours", opening_hours))
        .edge()
        .into_router())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let app = app(&secret)?;
    let user = UserClaims::new("u-1", "ada@town.example", Role::TaxClerk)
        .with_name("Ada")
        .with_municipality("m-7");
    let token = TokenMinter::new(secret).mint_for(&user, Duration::from_secs(600));
    let cookie = format!("__Host-token={}", token.as_str());
    let text = r#"{"text":"call back"}"#;

    let read = Request::get("/api/desk/me").header("cookie", &cookie);
    let write = |origin: &str| {
        Request::post("/api/desk/notes")
            .header("cookie", &cookie)
            .header("content-type", "application/json")
            .header("origin", origin)
    };
    let impatient = Request::get("/api/desk/opening-hours").header("x-request-timeout-ms", "1");
    for (who, request) in [
        ("the user interface reads", read.body(Body::empty())?),
        ("the user interface writes", write(UI).body(text.into())?),
        (
            "a form on another site",
            write("https://evil.example").body(text.into())?,
        ),
        (
            "anyone, with a deadline that only services may set",
            impatient.body(Body::empty())?,
        ),
    ] {
        let response = app.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        let body: Value = serde_json::from_slice(&body)?;
        let said = body.get("data").or_else(|| body.get("message"));
        println!(
            "{status} {who}: {}",
            match said {
                Some(Value::String(text)) if status >= 400 => text.clone(),
                Some(said) => said.to_string(),
                None => "nothing".to_owned(),
            }
        );
    }
    Ok(())
}
