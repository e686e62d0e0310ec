//! A clerk asks for a bill; the roll is busy once; what was on the wire.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::http::send;
use super::report::Report;
use super::stage::Stage;
use super::tap::Exchange;
use super::token::{Readable, cut, signature};

/// The clerk's id for the request; it has to be found everywhere.
pub(super) const CORRELATION_ID: &str = "demo-bill-1";

/// What every success starts with.
const PREFIX: &str = r#"{"success":true,"data":"#;
/// What every success ends with, digits of the time aside.
const SUFFIX: &str = r#","timestamp":"0000-00-00T00:00:00.000Z"}"#;

/// The identity that every service token claims, before `iat`.
const SERVICE_CLAIMS: &str = concat!(
    r#"{"userId":"00000000-0000-0000-0000-000000000000","email":"service@internal","role":"SERVICE_ACCOUNT","#,
    r#""municipalityId":"internal","name":"Internal Service","iat":"#
);

/// The answer of a peer that is busy, and says for how long.
fn busy() -> String {
    let body = r#"{"statusCode":503,"message":"The roll is busy","correlationId":"unknown","timestamp":"2026-01-01T00:00:00.000Z"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\nretry-after: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) fn play(stage: &mut Stage, report: &mut Report) -> Result<(), String> {
    report.scene("A clerk asks billing for a bill, and the assessment roll is busy the first time");
    let clerk = stage.mint(&["--role", "TAX_CLERK"])?;
    stage.tap.inject(busy());
    let answer = send(
        stage.billing,
        "POST",
        "/api/billing/bills",
        &[
            ("authorization", &format!("Bearer {clerk}")),
            ("x-correlation-id", CORRELATION_ID),
        ],
        Some(r#"{"propertyId":"prop-001"}"#),
    )
    .map_err(|error| format!("billing did not answer: {error}"))?;
    report.say("clerk -> billing   POST /api/billing/bills {\"propertyId\":\"prop-001\"}");
    report.detail(format_args!("x-correlation-id: {CORRELATION_ID}"));
    report.detail(format_args!("authorization: Bearer {}", cut(&clerk)));
    let exchanges = stage.tap.take();
    for (number, exchange) in (1..).zip(&exchanges) {
        show(report, number, exchange);
    }
    let body = answer.body_text();
    let shown: String = body.chars().take(72).collect();
    report.say(format_args!(
        "billing -> clerk   {} {shown}…",
        answer.status()
    ));
    report.detail(body);

    report.check_eq(
        "The clerk gets the bill although the roll was busy",
        &answer.status(),
        &201,
    );
    report.check(
        "Both answers are whole",
        !answer.cut_short
            && exchanges
                .iter()
                .all(|exchange| !exchange.response.cut_short),
        "one was cut short",
    );
    report.check_eq(
        "The clerk's answer has the clerk's correlation id",
        answer.header("x-correlation-id").unwrap_or("none"),
        CORRELATION_ID,
    );
    let [first, second] = exchanges.as_slice() else {
        report.check(
            "The 503 is retried once",
            false,
            format_args!("{} attempts", exchanges.len()),
        );
        return Ok(());
    };
    report.check(
        "The 503 is retried once",
        first.injected && !second.injected,
        "the wrong one of the two was answered by the tap",
    );
    attempts(stage, report, &clerk, [first, second]);
    envelope(report, second);
    unwrapped(stage, report)
}

fn show(report: &Report, number: usize, exchange: &Exchange) {
    report.say(format_args!(
        "billing -> roll    attempt {number}: {}",
        exchange.request.start
    ));
    for (name, value) in &exchange.request.headers {
        if name == "authorization" {
            report.detail(format_args!("{name}: {}", cut(value)));
            match Readable::from_authorization(value) {
                Ok(token) => {
                    report.detail(format_args!("    header {}", token.header));
                    report.detail(format_args!("    claims {}", token.claims));
                }
                Err(reason) => report.detail(format_args!("    unreadable: {reason}")),
            }
        } else {
            report.detail(format_args!("{name}: {value}"));
        }
    }
    report.say(format_args!(
        "roll -> billing    {}{}",
        exchange.response.start,
        if exchange.injected {
            ", by the wire tap, with Retry-After: 1"
        } else {
            ""
        }
    ));
    for (name, value) in &exchange.response.headers {
        report.detail(format_args!("{name}: {value}"));
    }
}

/// What the two attempts have to have in common, and what not.
fn attempts(stage: &mut Stage, report: &mut Report, clerk: &str, attempts: [&Exchange; 2]) {
    let pause = attempts[1]
        .at
        .duration_since(attempts[0].at)
        .unwrap_or_default();
    report.check(
        "The retry comes no earlier than Retry-After says",
        pause >= Duration::from_millis(990),
        format_args!("after {} ms", pause.as_millis()),
    );
    report.detail(format_args!(
        "it came {} ms after the busy answer, which asked for 1000",
        pause.as_millis()
    ));

    let tokens: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.request.header("authorization").unwrap_or_default())
        .collect();
    for token in &tokens {
        stage.signatures.push(signature(token).to_owned());
    }
    report.check(
        "Each attempt carries a token of its own",
        tokens[0] != tokens[1],
        "the same token twice",
    );
    report.check(
        "The clerk's token goes no further than billing",
        tokens.iter().all(|token| !token.contains(clerk)),
        "it was passed on",
    );
    for (number, (attempt, token)) in (1..).zip(attempts.iter().zip(&tokens)) {
        let now = attempt
            .at
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let (kept, seen) = match Readable::from_authorization(token) {
            Ok(token) => {
                let issued = token.number("iat").unwrap_or(0);
                let claims = format!("{SERVICE_CLAIMS}{issued},\"exp\":{}}}", issued + 30);
                // On a machine under load some time may pass between the mint and the wire.
                let fresh = now.saturating_sub(issued) <= 3;
                (
                    fresh
                        && token.claims == claims
                        && token.header == r#"{"alg":"HS256","typ":"JWT"}"#,
                    format!("{} {} at second {now}", token.header, token.claims),
                )
            }
            Err(reason) => (false, reason),
        };
        report.check(
            &format!("Attempt {number}'s token is a service token, minted for it, and lives 30 s"),
            kept,
            seen,
        );
    }
    report.check(
        "One correlation id goes along, from the clerk to the roll and back",
        attempts
            .iter()
            .all(|attempt| attempt.request.header("x-correlation-id") == Some(CORRELATION_ID))
            && attempts[1].response.header("x-correlation-id") == Some(CORRELATION_ID),
        format_args!(
            "{:?}",
            attempts.map(|attempt| attempt.request.header("x-correlation-id"))
        ),
    );
    report.check(
        "A request without a body has no content type",
        attempts
            .iter()
            .all(|attempt| attempt.request.header("content-type").is_none()),
        "it has one",
    );
}

/// The exact bytes around the payload.
fn envelope(report: &mut Report, exchange: &Exchange) {
    report.scene("The envelope of the roll's answer, and the same answer through the client");
    let body = exchange.response.body_text();
    let shape: String = body
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (Some(start), Some(end)) = (
        body.get(..PREFIX.len()),
        body.len()
            .checked_sub(SUFFIX.len())
            .and_then(|at| body.get(at..)),
    ) else {
        report.check("The answer is in an envelope", false, body);
        return;
    };
    report.say(format_args!("on the wire         {start} … {end}"));
    report.check(
        "The envelope's bytes are the platform's: 23 before the payload, 40 after",
        body.starts_with(PREFIX) && shape.ends_with(SUFFIX),
        &body,
    );
    report.check(
        "The whole is one JSON value",
        serde_json::from_str::<Value>(&body).is_ok(),
        &body,
    );
    report.check_eq(
        "Its length is announced to the byte",
        exchange.response.header("content-length").unwrap_or("none"),
        &body.len().to_string(),
    );
    report.check_eq(
        "It is marked, so that a client need not guess",
        exchange.response.header("x-envelope").unwrap_or("none"),
        "1",
    );
}

/// What a caller gets to see of all this.
fn unwrapped(stage: &mut Stage, report: &mut Report) -> Result<(), String> {
    let url = format!(
        "http://{}/api/assessment-roll/properties/prop-001/assessment",
        stage.tap.address
    );
    let call = stage.fleet.civic(&["call", "GET", &url, "--verbose"])?;
    let shown: String = call.stdout.trim().chars().take(72).collect();
    report.say(format_args!("through the client  {shown}…"));
    report.detail(format_args!("by civic call GET {url} --verbose"));
    for line in call.stderr.lines() {
        report.detail(line);
    }
    let value: Value = serde_json::from_str(&call.stdout).unwrap_or_default();

    let exchanges = stage.tap.take();
    let wire: Value = exchanges
        .last()
        .and_then(|exchange| serde_json::from_slice(&exchange.response.body).ok())
        .unwrap_or_default();
    for exchange in &exchanges {
        if let Some(token) = exchange.request.header("authorization") {
            stage.signatures.push(signature(token).to_owned());
        }
    }
    report.check(
        "The client gives the payload and nothing of the envelope",
        call.status.success() && value.is_object() && value == wire["data"],
        format_args!("{} {} {}", call.status, call.stdout, call.stderr),
    );
    Ok(())
}
