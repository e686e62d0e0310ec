//! Tokens: minted on one side, compared with and accepted by the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use civic_auth::{Secret, TokenMinter, TokenVerifier};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};

/// How long a service token lives.
const LIFETIME: u64 = 30;

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    same_bytes(stage, findings).await?;
    command_line(stage, findings).await?;
    same_end(stage, findings).await?;
    accepted(stage, findings).await
}

async fn same_bytes(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let long = "0123456789abcdef".repeat(64);
    let secrets = [
        "0123456789abcdef0123456789abcdef",
        "zażółć gęślą jaźń, 東京都, 🏠 and more",
        "  spaces around are part of the secret  ",
        "a line break\nand \"quotes\" \\ belong to it\n",
        &long,
    ];
    let instants = [1, 1_740_000_000, 2_147_483_647, 4_102_444_800, now()];
    let mut differences = Vec::new();
    for secret in secrets {
        for at in instants {
            let node = stage
                .company()
                .await?
                .mint_in_node(secret, Some(at))
                .await?;
            let rust = minter(secret, at)?.mint();
            if rust.as_str() != node {
                // A token of a secret that only this run knows may be shown, as far as its claims.
                differences.push(format!("secret of {} bytes at {at}", secret.len()));
            }
        }
    }
    findings.no_differences(
        "A Rust token is the Node token, byte for byte, for the same second and secret",
        &format!("{} pairs", secrets.len() * instants.len()),
        &differences,
    );
    Ok(())
}

/// The operator's tool mints now; Node mints again for the second that it chose.
async fn command_line(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let minted = stage.civic(&["token", "mint"]).await?;
    let rust = String::from_utf8_lossy(&minted.stdout).trim().to_owned();
    let company = stage.company().await?;
    let verified = company
        .tokens
        .ask(
            "verify",
            json!({ "secret": secret, "token": rust, "now": now() }),
        )
        .await?;
    let iat = verified["claims"]["iat"].as_u64();
    let node = company.mint_in_node(&secret, iat).await?;
    findings.promise(
        "`civic token mint` prints what Node mints in that second",
        iat.is_some() && rust == node,
        format_args!("iat {iat:?}"),
    );
    Ok(())
}

/// A token ends in the same second on both sides.
async fn same_end(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let company = stage.company().await?;
    let at = 1_740_000_000;
    let token = company.mint_in_node(&secret, Some(at)).await?;
    let mut differences = Vec::new();
    let ages = [0, 1, LIFETIME - 1, LIFETIME, LIFETIME + 1, 100 * LIFETIME];
    for age in ages {
        let members = json!({ "secret": secret, "token": token, "now": at + age });
        let node = company.tokens.ask("verify", members).await?;
        let rust = verifier(&secret, at + age)?.verify(&bearer(&token)?);
        if node.get("claims").is_some() != rust.is_ok() {
            differences.push(format!(
                "after {age} s: Node {}, Rust {:?}",
                node["refused"],
                rust.map(drop)
            ));
        }
    }
    findings.no_differences(
        "A token dies on both sides in the same second",
        &format!("{} ages", ages.len()),
        &differences,
    );
    Ok(())
}

/// Real requests between real processes.
async fn accepted(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let company = stage.company().await?;
    let rust = format!("http://{}{PREFIX}/whoami", company.rust.address);
    let node = format!("http://{}{PREFIX}/whoami", company.node.platform()?);

    let by_rust = company.caller.ask("call", json!({ "url": rust })).await?;
    findings.promise(
        "A token that a Node service mints is accepted by the Rust guard",
        by_rust["status"] == 200,
        format_args!("{} {}", by_rust["status"], by_rust["data"]["role"]),
    );

    let called = stage.civic(&["call", "GET", &node]).await?;
    let by_node: Value = serde_json::from_slice(&called.stdout).unwrap_or_default();
    findings.promise(
        "A token that the Rust client mints is accepted by the Node guard",
        called.status.success() && by_node["role"] == "SERVICE_ACCOUNT",
        format_args!(
            "{} {}",
            by_node["role"],
            String::from_utf8_lossy(&called.stderr)
        ),
    );

    let mut differences = Vec::new();
    let roles = ["READ_ONLY", "TAX_CLERK", "TREASURER", "SYSTEM_ADMIN"];
    for role in roles {
        let minted = stage.civic(&["token", "mint", "--role", role]).await?;
        let token = String::from_utf8_lossy(&minted.stdout).trim().to_owned();
        let company = stage.company().await?;
        for (side, url) in [("Node", &node), ("Rust", &rust)] {
            let members = json!({ "url": url, "token": token });
            let answer = company.caller.ask("call", members).await?;
            if answer["status"] != 200 || answer["data"]["role"] != role {
                differences.push(format!("{role} at {side}: {}", answer["text"]));
            }
        }
    }
    findings.no_differences(
        "A user's token of `civic token mint` is accepted by both guards, with its role",
        &format!("{} roles", roles.len()),
        &differences,
    );
    Ok(())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn minter(secret: &str, at: u64) -> Result<TokenMinter, String> {
    let secret = Secret::new(secret).map_err(|error| error.to_string())?;
    Ok(TokenMinter::new(secret).with_clock(move || UNIX_EPOCH + Duration::from_secs(at)))
}

fn verifier(secret: &str, at: u64) -> Result<TokenVerifier, String> {
    let secret = Secret::new(secret).map_err(|error| error.to_string())?;
    Ok(TokenVerifier::new(secret).with_clock(move || UNIX_EPOCH + Duration::from_secs(at)))
}

fn bearer(token: &str) -> Result<HeaderMap, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| "a token that is no header value".to_owned())?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}
