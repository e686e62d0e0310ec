//! Envelopes: the same payloads from both sides, as bytes and as each side's client reads them.

use serde_json::{Value, json};

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};
use crate::text::{difference, without_times};
use crate::wire::{Answer, Request};

/// A UUID, which both sides keep as it is.
const CORRELATION_ID: &str = "9d3c1b5a-7e2f-4a60-8b91-c2d3e4f50617";

/// The headers that must be the same. The rest is each server's own: `date`, `connection`, rate
/// limits.
const HEADERS: [&str; 3] = ["content-type", "content-length", "x-correlation-id"];

/// What a service answers with success.
const PAYLOADS: [(&str, &str, Option<&str>); 9] = [
    ("GET", "/properties/prop-001/assessment", None),
    ("GET", "/null", None),
    ("GET", "/array", None),
    ("GET", "/string", None),
    ("GET", "/number", None),
    ("GET", "/boolean", None),
    ("GET", "/looks-like-envelope", None),
    ("GET", "/unwrapped", None),
    (
        "POST",
        "/properties/p-1/supplementary",
        Some(r#"{"a":1,"nested":{"text":"é ","list":[1.5,null,true]}}"#),
    ),
];

/// What has no envelope, or one of its own.
const OTHERS: [(&str, &str, Option<&str>); 3] = [
    ("GET", "/soft-failure", None),
    ("GET", "/properties/missing/assessment", None),
    ("GET", "/no/such/route", None),
];

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let company = stage.company().await?;
    let token = company.mint_in_node(&secret, None).await?;
    let authorization = format!("Bearer {token}");

    let mut differences = Vec::new();
    let mut compared = 0;
    for (method, route, json) in PAYLOADS.into_iter().chain(OTHERS) {
        let (node, rust) = company
            .ask_both(&Request {
                method,
                path: &format!("{PREFIX}{route}"),
                headers: &[
                    ("authorization", &authorization),
                    ("x-correlation-id", CORRELATION_ID),
                ],
                json,
            })
            .await?;
        compared += 1;
        differences.extend(compare(&format!("{method} {route}"), &node, &rust));
    }
    findings.no_differences(
        "A Rust answer is the Node answer, byte for byte but for the time",
        &format!("{compared} answers"),
        &differences,
    );
    unwrapped(stage, findings).await
}

/// Each side's client reads the other side's envelope, and both read the same.
async fn unwrapped(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let mut differences = Vec::new();
    for (method, route, body) in PAYLOADS {
        let company = stage.company().await?;
        let node = format!("http://{}{PREFIX}{route}", company.node.platform()?);
        let rust = format!("http://{}{PREFIX}{route}", company.rust.address);
        let mut members = json!({
            "method": method, "url": rust, "correlationId": CORRELATION_ID,
        });
        if let Some(body) = body {
            members["body"] = serde_json::from_str(body).unwrap_or_default();
        }
        let mut by_node = company.caller.ask("call", members).await?["data"].take();

        let mut arguments = vec!["call", method, &node, "--correlation-id", CORRELATION_ID];
        arguments.extend(body);
        let called = stage.civic(&arguments).await?;
        let mut by_rust: Value = serde_json::from_slice(&called.stdout).unwrap_or_default();
        for read in [&mut by_node, &mut by_rust] {
            if let Some(object) = read.as_object_mut() {
                // Each client sends a key of its own, or none.
                object.remove("idempotencyKey");
            }
        }
        if by_node != by_rust || !called.status.success() {
            differences.push(format!(
                "{method} {route}: Node read {by_node}, Rust read {by_rust} {}",
                String::from_utf8_lossy(&called.stderr)
            ));
        }
    }
    findings.no_differences(
        "Node reads from a Rust envelope what Rust reads from a Node envelope",
        &format!("{} payloads", PAYLOADS.len()),
        &differences,
    );
    Ok(())
}

fn compare(name: &str, node: &Answer, rust: &Answer) -> Option<String> {
    let shown = |answer: &Answer| {
        let mut text = answer.status.to_string();
        // Node puts the correlation id of an error only into its body.
        for header in HEADERS
            .into_iter()
            .filter(|header| *header != "x-correlation-id" || answer.status < 400)
        {
            text.push_str(&format!(
                " {header}: {}",
                answer.header(header).unwrap_or("-")
            ));
        }
        format!("{text} {}", without_times(&answer.body))
    };
    let (left, right) = (shown(node), shown(rust));
    (left != right).then(|| format!("{name}: {}", difference(&left, &right)))
}
