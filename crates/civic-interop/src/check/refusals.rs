//! Bad credentials: both sides refuse them, with the same answer.

use serde_json::json;

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};
use crate::text::{difference, without_times};
use crate::wire::{Answer, Request, send};

/// The id of each request here, so that only the time differs between two answers.
const CORRELATION_ID: &str = "5f2b7d1e-8c3a-4e6f-9a10-0b1c2d3e4f50";

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let company = stage.company().await?;
    let user = |exp: u64| {
        json!({
            "userId": "u-1", "email": "clerk@town.example", "role": "READ_ONLY",
            "municipalityId": "town-1", "name": "Clerk", "iat": 1_740_000_000, "exp": exp,
        })
    };
    const FAR: u64 = 4_102_444_800;
    let expired = company.mint_in_node(&secret, Some(1_740_000_000)).await?;
    let foreign = company
        .mint_in_node(&format!("another {secret}"), None)
        .await?;
    let good = company.mint_in_node(&secret, None).await?;
    let (unsigned_text, mac) = good.rsplit_once('.').ok_or("a token has three parts")?;
    let expired_user = company
        .mint_with(json!({ "secret": secret, "claims": user(1_740_000_001) }))
        .await?;
    let other_algorithm = company
        .mint_with(json!({ "secret": secret, "claims": user(FAR), "algorithm": "none" }))
        .await?;
    let reader = company
        .mint_with(json!({ "secret": secret, "claims": user(FAR) }))
        .await?;

    let credentials = [
        ("no token", None),
        (
            "another scheme",
            Some(("authorization", "Basic dXNlcjpwYXNz".to_owned())),
        ),
        ("an expired service token", bearer(&expired)),
        ("an expired user token", bearer(&expired_user)),
        ("an expired user token in the cookie", cookie(&expired_user)),
        ("another secret", bearer(&foreign)),
        ("no algorithm", bearer(&other_algorithm)),
        ("no signature", bearer(&format!("{unsigned_text}."))),
        ("a cut signature", bearer(&good[..good.len() - 1])),
        (
            "another signature",
            bearer(&format!("{unsigned_text}.{}", reversed(mac))),
        ),
        ("no token at all", bearer("not-a-token")),
    ];
    let mut differences = Vec::new();
    let path = format!("{PREFIX}/null");
    for (name, credential) in &credentials {
        let mut headers = vec![("x-correlation-id", CORRELATION_ID)];
        if let Some((header, value)) = credential {
            headers.push((header, value));
        }
        let (node, rust) = company
            .ask_both(&Request {
                method: "GET",
                path: &path,
                headers: &headers,
                json: None,
            })
            .await?;
        differences.extend(compare(name, &node, &rust, 401));
    }
    findings.no_differences(
        "A bad credential gets the same 401 from both sides, byte for byte",
        &format!("{} credentials", credentials.len()),
        &differences,
    );

    let authorization = format!("Bearer {reader}");
    let headers = [
        ("x-correlation-id", CORRELATION_ID),
        ("authorization", authorization.as_str()),
    ];
    let path = format!("{PREFIX}/for-treasurers");
    let node = send(
        company.node.platform()?,
        &Request {
            method: "GET",
            path: &path,
            headers: &headers,
            json: None,
        },
    )
    .await?;
    let rust = send(
        company.billing.address,
        &Request {
            method: "POST",
            path: "/api/billing/bills",
            headers: &headers,
            json: Some(r#"{"propertyId":"prop-001"}"#),
        },
    )
    .await?;
    let differences: Vec<String> = compare("a reader", &node, &rust, 403).into_iter().collect();
    findings.no_differences(
        "A role that is too low gets the same 403 from both sides, byte for byte",
        "1 role",
        &differences,
    );
    Ok(())
}

fn bearer(token: &str) -> Option<(&'static str, String)> {
    Some(("authorization", format!("Bearer {token}")))
}

fn cookie(token: &str) -> Option<(&'static str, String)> {
    Some(("cookie", format!("app_access_token={token}")))
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn compare(name: &str, node: &Answer, rust: &Answer, status: u16) -> Option<String> {
    let shown = |answer: &Answer| {
        format!(
            "{} {} {}",
            answer.status,
            answer.header("content-type").unwrap_or("-"),
            without_times(&answer.body)
        )
    };
    let (left, right) = (shown(node), shown(rust));
    if left != right {
        Some(format!("{name}: {}", difference(&left, &right)))
    } else if node.status != status {
        Some(format!("{name}: {left}"))
    } else {
        None
    }
}
