//! Correlation: one id through every hop, whichever side the hops are on.

use serde_json::{Value, json};

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};

/// Longer than any client needs, and still allowed.
const LONGEST: usize = 128;

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let ids = [
        "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10".to_owned(),
        // Kong's correlation-id plugin, in its default form.
        "a1b2c3d4-e5f6-4890-abcd-ef1234567890#7".to_owned(),
        "a1b2c3d4-e5f6-4890-abcd-ef1234567890#18446744073709551615".to_owned(),
        // AWS ALB.
        "Root=1-67891233-abcdef012345678912345678".to_owned(),
        "req-1_2.3:4#5/6=7+8@9~0".to_owned(),
        "x".to_owned(),
        "0123456789abcdef".repeat(LONGEST / 16),
    ];
    let (mut to_node, mut to_rust, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for id in &ids {
        let company = stage.company().await?;
        let headers = format!("http://{}{PREFIX}/headers", company.node.platform()?);
        let roll = format!("http://{}{PREFIX}/null", company.rust.address);
        let bills = format!("http://{}/api/billing/bills", company.billing.address);

        let answer = company
            .caller
            .ask("call", json!({ "url": roll, "correlationId": id }))
            .await?;
        let answered = &answer["headers"]["x-correlation-id"];
        if answered != id.as_str() {
            to_rust.push(format!("{id} came back as {answered}"));
        }

        let bill = company
            .caller
            .ask(
                "call",
                json!({
                    "method": "POST", "url": bills, "correlationId": id,
                    "body": { "propertyId": "prop-001" },
                }),
            )
            .await?;
        let seen = last_id(&company.node.stats().await?);
        if bill["status"] != 201 || seen != id.as_str() {
            through.push(format!("{id} arrived as {seen}: {}", bill["text"]));
        }

        let called = stage
            .civic(&["call", "GET", &headers, "--correlation-id", id])
            .await?;
        let shown: Value = serde_json::from_slice(&called.stdout).unwrap_or_default();
        if shown["x-correlation-id"] != id.as_str() {
            to_node.push(format!(
                "{id} arrived as {} {}",
                shown["x-correlation-id"],
                String::from_utf8_lossy(&called.stderr)
            ));
        }
    }
    let count = format!("{} ids, Kong's among them", ids.len());
    findings.no_differences(
        "`civic call` sends a correlation id to Node unchanged",
        &count,
        &to_node,
    );
    findings.no_differences(
        "A Rust service answers Node with its correlation id",
        &count,
        &to_rust,
    );
    findings.no_differences(
        "An id passes from Node through a Rust service to Node without a handler's doing",
        &count,
        &through,
    );
    replaced(stage, findings).await
}

/// What is no correlation id is replaced, and what replaces it is the same in the answer and at the
/// next hop.
async fn replaced(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let refused = [
        "two words".to_owned(),
        "quote\"d".to_owned(),
        "a,b".to_owned(),
        "x".repeat(LONGEST + 1),
    ];
    let mut differences = Vec::new();
    for id in &refused {
        let company = stage.company().await?;
        let bills = format!("http://{}/api/billing/bills", company.billing.address);
        let answer = company
            .caller
            .ask(
                "call",
                json!({
                    "method": "POST", "url": bills, "correlationId": id,
                    "body": { "propertyId": "prop-001" },
                }),
            )
            .await?;
        let answered = answer["headers"]["x-correlation-id"].clone();
        let seen = last_id(&company.node.stats().await?);
        if answered == id.as_str() || answered.is_null() || seen != answered {
            differences.push(format!("{id:?}: answered {answered}, next hop {seen}"));
        }
    }
    findings.no_differences(
        "What is no correlation id is replaced by one id, in the answer and at the next hop",
        &format!("{} values", refused.len()),
        &differences,
    );
    Ok(())
}

/// The correlation id of the last request that reached the Node service.
fn last_id(stats: &Value) -> Value {
    stats["correlationIds"]
        .as_array()
        .and_then(|ids| ids.last().cloned())
        .unwrap_or_default()
}
