//! Only the guard, in front of an axum application: who may come in, and with which role.
//!
//! ```sh
//! cargo run --package civic-auth --features axum --example guard
//! ```
//!
//! It prints:
//!
//! ```text
//! no token: 401 {"statusCode":401,"message":"Missing authentication token",…}
//! a service: 200 Internal Service may assess
//! a tax clerk: 200 Ada may assess
//! an auditor: 403 {"statusCode":403,"message":"Insufficient role permissions",…}
//! health: 200 ok
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use civic_auth::{
    AuthLayer, CorrelationIdLayer, Principal, RequireRoleLayer, Role, Secret, TokenMinter,
    TokenVerifier, UserClaims,
};
use http::{HeaderValue, Request, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// The guard has let the caller in, and says who it is. Needs the feature `axum`.
async fn assess(caller: Principal) -> String {
    format!("{} may assess", caller.name())
}

fn app(secret: Secret) -> Router {
    // The last layer is the outermost: correlation id, guard, role, handler.
    Router::new()
        .route(
            "/assess",
            get(assess).route_layer(RequireRoleLayer::new(Role::TaxClerk)),
        )
        .route("/health", get(async || "ok"))
        .layer(AuthLayer::new(TokenVerifier::new(secret)).with_public_paths(["/health"]))
        .layer(CorrelationIdLayer::new())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A service reads it with `Secret::from_env("JWT_SECRET")?`.
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let minter = TokenMinter::new(secret.clone());
    let app = app(secret);

    let user = |role, name| {
        let user = UserClaims::new("u-1", "someone@town.example", role).with_name(name);
        let token = minter.mint_for(&user, Duration::from_secs(60));
        Some(token.to_header_value())
    };
    for (caller, path, token) in [
        ("no token", "/assess", None),
        (
            "a service",
            "/assess",
            Some(minter.mint().to_header_value()),
        ),
        ("a tax clerk", "/assess", user(Role::TaxClerk, "Ada")),
        ("an auditor", "/assess", user(Role::Auditor, "Bob")),
        ("health", "/health", None::<HeaderValue>),
    ] {
        let mut request = Request::get(path).body(Body::empty())?;
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let response = app.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{caller}: {status} {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
