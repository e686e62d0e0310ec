//! On whose behalf: the user for whom a service calls is known behind several hops, and a token
//! that says so cannot be made up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::routing::get;
use axum::{Json, Router};
use civic_auth::{
    AuthLayer, OnBehalfOf, Principal, RequireTenantLayer, Role, Secret, TokenMinter, TokenVerifier,
    TransactionTokens, UserClaims,
};
use civic_client::ServiceClient;
use http::StatusCode;
use serde_json::{Value, json};

use crate::findings::Findings;
use crate::local::Local;
use crate::stage::{PREFIX, Stage};
use crate::wire::{Request, send};

/// How many tokens that must not come in are tried.
const BAD_TOKENS: usize = 300;

/// How long the clerk's token lives.
const LIFETIME: Duration = Duration::from_secs(600);

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = Secret::new(stage.secret()).map_err(|error| error.to_string())?;
    let clerk = UserClaims::new("u-7", "clerk@town.example", Role::TaxClerk)
        .with_municipality("town-1")
        .with_name("Zoë");
    let clerk = TokenMinter::new(secret.clone()).mint_for(&clerk, LIFETIME);
    let clerk = format!("Bearer {}", clerk.as_str());

    let last = last(&secret).await?;
    hops(stage, findings, &secret, &clerk, &last).await?;
    bad_tokens(stage, findings, &secret, &clerk, &last).await
}

/// A call that a service makes while it serves a request.
struct Next {
    base: String,
    path: &'static str,
    query: Vec<(&'static str, String)>,
}

async fn hops(
    stage: &mut Stage<'_>,
    findings: &mut Findings<'_>,
    secret: &Secret,
    clerk: &str,
    last: &Local,
) -> Result<(), String> {
    let node = format!("http://{}{PREFIX}", stage.company().await?.node.platform()?);
    let who = |base: &str| Next {
        base: base.to_owned(),
        path: "/who",
        query: Vec::new(),
    };
    let by_node = |forward: &str| Next {
        base: node.clone(),
        path: "/relay",
        query: vec![
            ("to", format!("{}/who", last.url())),
            ("forward", forward.to_owned()),
        ],
    };

    let middle = relay(secret, "middle", who(&last.url())).await?;
    let middle = Next {
        path: "/relay",
        ..who(&middle.url())
    };
    let rust = relay(secret, "desk", middle).await?;
    let seen = ask(&rust, clerk, "/relay").await?;
    let expected = json!({
        "userId": "u-7", "role": "TAX_CLERK", "tenant": "town-1", "name": "Zoë",
        "admittedBy": "desk", "isService": true,
    });
    findings.promise(
        "After Rust–Rust–Rust the last service sees the clerk and the municipality",
        seen == expected,
        &seen,
    );

    let forwards = relay(secret, "desk", by_node("true")).await?;
    let seen = ask(&forwards, clerk, "/relay").await?;
    findings.promise(
        "After Rust–Node–Rust it does so too, where Node forwards the header",
        seen["status"] == 200 && seen["data"] == expected,
        &seen,
    );

    let drops = relay(secret, "desk", by_node("false")).await?;
    let seen = ask(&drops, clerk, "/relay").await?;
    findings.promise(
        "Where Node drops it, a route that needs a tenant answers 403",
        seen["status"] == 403 && seen["data"]["message"] == "The request is for no municipality",
        &seen,
    );
    Ok(())
}

async fn bad_tokens(
    stage: &mut Stage<'_>,
    findings: &mut Findings<'_>,
    secret: &Secret,
    clerk: &str,
    last: &Local,
) -> Result<(), String> {
    // What a Rust service sends to a Node one, with the token in it.
    let node = stage.company().await?.node.platform()?;
    let headers = Next {
        base: format!("http://{node}{PREFIX}"),
        path: "/headers",
        query: Vec::new(),
    };
    let desk = relay(secret, "desk", headers).await?;
    let received = ask(&desk, clerk, "/relay").await?;
    let token = received["txn-token"]
        .as_str()
        .ok_or_else(|| format!("no transaction token arrived: {received}"))?
        .to_owned();

    let (good, bad) = made_in_node(stage).await?;
    let mut all = bad;
    // Each of the rest has one character changed: in the header, the claims or the signature.
    for at in (0..token.len()).rev() {
        if all.len() == BAD_TOKENS {
            break;
        }
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).map_err(|error| error.to_string())?;
        all.push((format!("character {at} changed"), changed));
    }

    let service = format!(
        "Bearer {}",
        TokenMinter::new(secret.clone()).mint().as_str()
    );
    for (name, token) in [("Rust", &token), ("Node", &good)] {
        let answer = who(last, Some(&service), Some(token)).await?;
        findings.promise(
            &format!("A token that was minted in {name} is accepted"),
            answer == 200,
            answer,
        );
    }
    let mut came_in = Vec::new();
    for (name, token) in &all {
        let answer = who(last, Some(&service), Some(token)).await?;
        if answer != 401 {
            came_in.push(format!("{name}: {answer}"));
        }
    }
    findings.no_differences(
        "No forged, widened or expired token comes in, and none of another trust domain",
        &format!("{} tokens", all.len()),
        &came_in,
    );

    let mut overheard = Vec::new();
    let as_access = format!("Bearer {token}");
    for (name, authorization, expected) in [
        ("alone", None, 401),
        ("as an access token", Some(as_access.as_str()), 401),
    ] {
        let answer = who(last, authorization, Some(&token)).await?;
        if answer != expected {
            overheard.push(format!("{name}: {answer}"));
        }
    }
    for (path, expected) in [("/towns/town-1", 200), ("/towns/town-2", 403)] {
        let answer = status(last, path, Some(&service), Some(&token)).await?;
        if answer != expected {
            overheard.push(format!("{path}: {answer}"));
        }
    }
    findings.no_differences(
        "An overheard token admits no one, and opens no record of another municipality",
        "4 requests",
        &overheard,
    );

    let answer = send(
        node,
        &Request {
            method: "GET",
            path: &format!("{PREFIX}/whoami"),
            headers: &[("authorization", &as_access)],
            json: None,
        },
    )
    .await?;
    findings.promise(
        "A Node guard refuses a transaction token that is presented as an access token",
        answer.status == 401,
        answer.status,
    );
    Ok(())
}

/// A good token, and bad ones with what is wrong with them, all of them minted by Node.
async fn made_in_node(stage: &mut Stage<'_>) -> Result<(String, Vec<(String, String)>), String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let claims = json!({
        "iat": now, "exp": now + 300, "aud": "internal", "txn": "req-1", "sub": "u-7",
        "scope": "internal", "req_wl": "desk",
        "tctx": { "role": "TAX_CLERK", "municipality": "town-1", "name": "Zoë" },
    });
    let secret = stage.secret().to_owned();
    let other = format!("another {secret}");
    let company = stage.company().await?;
    let good = json!({ "secret": secret, "claims": claims });
    let good_token = company.mint_transaction(good.clone()).await?;

    let tctx = |role: &str, municipality: Value| json!({ "role": role, "municipality": municipality, "name": "x" });
    let mut bad = Vec::new();
    for (name, member, value) in [
        ("expired", "exp", json!(now)),
        ("expired long ago", "iat", json!(now - 4000)),
        ("for longer than 5 minutes", "exp", json!(now + 301)),
        ("from the future", "iat", json!(now + 60)),
        ("of another trust domain", "aud", json!("elsewhere")),
        (
            "of several trust domains",
            "aud",
            json!(["internal", "elsewhere"]),
        ),
        ("with a wider scope", "scope", json!("internal admin")),
        ("with another scope", "scope", json!("*")),
        ("without a user", "sub", json!("")),
        (
            "of the nil user",
            "sub",
            json!("00000000-0000-0000-0000-000000000000"),
        ),
        (
            "of a service",
            "tctx",
            tctx("SERVICE_ACCOUNT", json!("town-1")),
        ),
        (
            "of a service in small letters",
            "tctx",
            tctx("service_account", json!("town-1")),
        ),
        (
            "of the services' municipality",
            "tctx",
            tctx("TAX_CLERK", json!("internal")),
        ),
        (
            "of an empty municipality",
            "tctx",
            tctx("TAX_CLERK", json!("")),
        ),
        (
            "of two municipalities",
            "tctx",
            tctx("TAX_CLERK", json!(["town-1", "town-2"])),
        ),
    ] {
        let mut members = good.clone();
        members["claims"][member] = value;
        if name == "expired" {
            members["claims"]["iat"] = json!(now - 60);
        }
        bad.push((name.to_owned(), company.mint_transaction(members).await?));
    }
    for (name, member, value) in [
        ("with the access tokens' key", "purpose", ""),
        (
            "with a key for another purpose",
            "purpose",
            "civic txn-token v2",
        ),
        ("with another secret", "secret", other.as_str()),
        ("of the access tokens' type", "type", "JWT"),
        ("of no type", "type", ""),
    ] {
        let mut members = good.clone();
        members[member] = json!(value);
        bad.push((name.to_owned(), company.mint_transaction(members).await?));
    }
    Ok((good_token, bad))
}

fn guard(secret: &Secret, name: &'static str) -> AuthLayer {
    AuthLayer::new(TokenVerifier::new(secret.clone()))
        .with_transactions(TransactionTokens::from_secrets(secret.clone(), name))
}

/// The last service: it says whom it sees.
async fn last(secret: &Secret) -> Result<Local, String> {
    async fn who(caller: Principal) -> Json<Value> {
        let user = caller.on_behalf_of();
        Json(json!({
            "userId": user.map(OnBehalfOf::user_id),
            "role": user.map(|user| user.role().as_str()),
            "name": user.map(OnBehalfOf::name),
            "admittedBy": user.map(OnBehalfOf::admitted_by),
            "tenant": caller.tenant(),
            "isService": caller.is_service(),
        }))
    }
    let record = |town: &'static str| {
        get(move |caller: Principal| async move {
            match caller.require_tenant(town) {
                Ok(()) => StatusCode::OK,
                Err(error) => error.status(),
            }
        })
    };
    let routes = Router::new()
        .route("/who", get(who).route_layer(RequireTenantLayer::new()))
        .route("/towns/town-1", record("town-1"))
        .route("/towns/town-2", record("town-2"));
    Local::serve(guard(secret, "last"), routes).await
}

/// A service whose handler calls the next one, and does nothing for the user.
async fn relay(secret: &Secret, name: &'static str, next: Next) -> Result<Local, String> {
    let client = ServiceClient::builder(&next.base)
        .minter(TokenMinter::new(secret.clone()))
        .build()
        .map_err(|error| error.to_string())?;
    let handler = move || {
        let client = client.clone();
        let query = next.query.clone();
        async move {
            let request = client.get(next.path);
            let request = query
                .iter()
                .fold(request, |request, (name, value)| request.query(name, value));
            match request.fetch::<Value>().await {
                Ok(data) => Ok(Json(data)),
                Err(error) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
            }
        }
    };
    let routes = Router::new().route("/relay", get(handler));
    Local::serve(guard(secret, name), routes).await
}

/// What a service answers to a request with this `Authorization`.
async fn ask(service: &Local, authorization: &str, path: &str) -> Result<Value, String> {
    let answer = send(
        service.address,
        &Request {
            method: "GET",
            path,
            headers: &[("authorization", authorization)],
            json: None,
        },
    )
    .await?;
    Ok(serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)))
}

async fn who(last: &Local, authorization: Option<&str>, txn: Option<&str>) -> Result<u16, String> {
    status(last, "/who", authorization, txn).await
}

async fn status(
    last: &Local,
    path: &str,
    authorization: Option<&str>,
    txn: Option<&str>,
) -> Result<u16, String> {
    let headers: Vec<_> = [("authorization", authorization), ("txn-token", txn)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let request = Request {
        method: "GET",
        path,
        headers: &headers,
        json: None,
    };
    Ok(send(last.address, &request).await?.status)
}
