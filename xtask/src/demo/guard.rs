//! Callers who may not come in, beside callers who may: a guard that lets every caller in is
//! caught, and one that refuses every caller as well.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::http::{Message, send};
use super::report::Report;
use super::secret::new_secret;
use super::stage::Stage;

const WHOAMI: &str = "/api/assessment-roll/whoami";
const BILLS: &str = "/api/billing/bills";
const COOKIE: &str = "app_access_token";

/// Where a caller puts its credential.
#[derive(Clone, Copy, Debug)]
enum Place {
    Nowhere,
    Header,
    Cookie,
}

/// One caller and what has to become of it.
#[derive(Debug)]
struct Caller<'a> {
    /// What it presents, in a word or two.
    shows: &'a str,
    promise: &'a str,
    token: &'a str,
    place: Place,
    /// `GET /whoami` at the roll, or `POST` a bill.
    asks: &'a str,
    status: u16,
    /// The body's message, where it is an error.
    message: &'a str,
}

pub(super) fn play(stage: &mut Stage, report: &mut Report) -> Result<(), String> {
    report.scene("Who may come in");
    let forger = stage.fleet.with("JWT_SECRET", new_secret()?);
    let service = stage.mint(&[])?;
    let forged = stage.mint_with(&forger, &[])?;
    let forged_clerk = stage.mint_with(&forger, &["--role", "TAX_CLERK"])?;
    let too_long = stage.mint(&["--lifetime", "31"])?;
    let clerk = stage.mint(&["--role", "TAX_CLERK"])?;
    let reader = stage.mint(&["--role", "READ_ONLY"])?;
    let treasurer = stage.mint(&["--role", "TREASURER"])?;

    const MISSING: &str = "Missing authentication token";
    const INVALID: &str = "Invalid or expired token";
    const ROLE: &str = "Insufficient role permissions";
    let callers = [
        Caller {
            shows: "no token",
            promise: "A caller without a token is refused",
            token: "",
            place: Place::Nowhere,
            asks: WHOAMI,
            status: 401,
            message: MISSING,
        },
        Caller {
            shows: "service token",
            promise: "A service token is let in",
            token: &service,
            place: Place::Header,
            asks: WHOAMI,
            status: 200,
            message: "",
        },
        Caller {
            shows: "forged service token",
            promise: "A forged service token is refused",
            token: &forged,
            place: Place::Header,
            asks: WHOAMI,
            status: 401,
            message: INVALID,
        },
        Caller {
            shows: "forged user token",
            promise: "A forged user token is refused",
            token: &forged_clerk,
            place: Place::Header,
            asks: BILLS,
            status: 401,
            message: INVALID,
        },
        Caller {
            shows: "service token for 31 s",
            promise: "A service token that claims 31 seconds is refused",
            token: &too_long,
            place: Place::Header,
            asks: WHOAMI,
            status: 401,
            message: INVALID,
        },
        Caller {
            shows: "service token in a cookie",
            promise: "A service token in a cookie is refused",
            token: &service,
            place: Place::Cookie,
            asks: WHOAMI,
            status: 401,
            message: INVALID,
        },
        Caller {
            shows: "user token in a cookie",
            promise: "A user token in a cookie is let in",
            token: &clerk,
            place: Place::Cookie,
            asks: WHOAMI,
            status: 200,
            message: "",
        },
        Caller {
            shows: "READ_ONLY makes a bill",
            promise: "A role below TAX_CLERK makes no bills",
            token: &reader,
            place: Place::Header,
            asks: BILLS,
            status: 403,
            message: ROLE,
        },
        Caller {
            shows: "TAX_CLERK makes a bill",
            promise: "A TAX_CLERK makes bills",
            token: &clerk,
            place: Place::Header,
            asks: BILLS,
            status: 201,
            message: "",
        },
        Caller {
            shows: "TREASURER makes a bill",
            promise: "A role above TAX_CLERK makes bills",
            token: &treasurer,
            place: Place::Header,
            asks: BILLS,
            status: 201,
            message: "",
        },
    ];
    let mut let_in = 0;
    let mut answers: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for caller in &callers {
        let answer = caller.ask(if caller.asks == BILLS {
            stage.billing
        } else {
            stage.roll
        })?;
        answers
            .entry(answer.status())
            .or_default()
            .push(caller.shows);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = body["message"].as_str().unwrap_or_default();
        let in_shape = caller.message.is_empty()
            || (body["statusCode"] == caller.status
                && body["correlationId"].as_str() == answer.header("x-correlation-id"));
        report.check(
            caller.promise,
            answer.status() == caller.status
                && message == caller.message
                && in_shape
                && !answer.cut_short,
            format_args!("{} {}", answer.status(), answer.body_text()),
        );
        report.detail(format_args!(
            "{} {message}  {}",
            answer.status(),
            answer.header("www-authenticate").unwrap_or_default()
        ));
        if caller.asks == BILLS && caller.message.is_empty() {
            let_in += 1;
        }
    }
    for (status, callers) in &answers {
        report.say(format_args!("{status}  {}", callers.join(", ")));
    }
    let calls = stage.tap.take();
    stage.signatures.extend(calls.iter().filter_map(|call| {
        let token = call.request.header("authorization")?;
        Some(super::token::signature(token).to_owned())
    }));
    report.check_eq(
        "No refused caller made billing call the roll",
        &calls.len(),
        &let_in,
    );
    Ok(())
}

// ===== impl Caller =====

impl Caller<'_> {
    fn ask(&self, service: SocketAddr) -> Result<Message, String> {
        let (name, value) = match self.place {
            Place::Nowhere => ("x-nothing", String::new()),
            Place::Header => ("authorization", format!("Bearer {}", self.token)),
            Place::Cookie => ("cookie", format!("{COOKIE}={}", self.token)),
        };
        let headers = [(name, value.as_str())];
        match self.asks {
            BILLS => send(
                service,
                "POST",
                BILLS,
                &headers,
                Some(r#"{"propertyId":"prop-002"}"#),
            ),
            target => send(service, "GET", target, &headers, None),
        }
        .map_err(|error| format!("{service} did not answer: {error}"))
    }
}
