//! Errors of a Node service: whether their words reach the caller, whatever filter wrote them.

use serde_json::Value;

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};

/// What breaks each rule of the validated routes once.
const INVALID: &str = r#"{"email":"x","age":-1,"inner":{"n":0}}"#;

/// A route of `errors.mjs`.
#[derive(Clone, Copy, Debug)]
struct Route {
    path: &'static str,
    json: Option<&'static str>,
    status: u16,
    /// The words, as they were thrown.
    words: Words,
    /// What the platform's own filter makes of them, where that is something else.
    platform: Option<Words>,
}

/// What a caller should read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Words {
    /// The message is this text.
    Text(&'static str),
    /// The message has each of these, in this order, joined by anything.
    Parts(&'static [&'static str]),
    /// The answer has no words.
    None,
}

const VALIDATED: Words = Words::Parts(&[
    "email must be an email",
    "age must not be less than 0",
    "n must not be less than 1",
]);

/// What the platform's filter says of an error without a text under `message`.
const UNKNOWN: Words = Words::Text("Internal server error");

const ROUTES: [Route; 19] = [
    get("/nf", 404, Words::Text("Not Found")),
    get("/nfm", 404, Words::Text("Property 7 not found")),
    get("/nfo", 404, Words::Text("Property 7 not found")),
    filtered(get("/nfo2", 404, Words::None), UNKNOWN),
    get("/desc", 400, Words::Text("Bad thing")),
    get("/nomsg", 400, Words::Text("Bad Request")),
    get("/plain", 500, Words::Text("Internal server error")),
    get("/str", 410, Words::Text("gone away")),
    filtered(
        get("/obj", 403, Words::Text("This is a custom message")),
        UNKNOWN,
    ),
    get("/emoji", 400, Words::Parts(&["Name too long: aaa"])),
    get("/forbidden", 403, Words::Text("Not in this municipality")),
    get(
        "/fields",
        422,
        Words::Text("Validation failed: name: Required"),
    ),
    get(
        "/int/x",
        400,
        Words::Text("Validation failed (numeric string is expected)"),
    ),
    post("/v", 400, VALIDATED),
    filtered(
        post(
            "/vo",
            400,
            Words::Parts(&["email must be an email", "age must not be less than 0"]),
        ),
        Words::Text("[object Object], [object Object], [object Object]"),
    ),
    filtered(
        post("/vr", 400, VALIDATED),
        Words::Parts(&[
            "property email has failed the following constraints: isEmail",
            "property age has failed the following constraints: min",
            "property inner.n has failed the following constraints: min",
        ]),
    ),
    post("/v422", 422, VALIDATED),
    post("/vde", 400, Words::Text("Bad Request")),
    get(
        "/no/route",
        404,
        Words::Text("Cannot GET /api/assessment-roll/no/route"),
    ),
];

const fn get(path: &'static str, status: u16, words: Words) -> Route {
    Route {
        path,
        json: None,
        status,
        words,
        platform: None,
    }
}

const fn post(path: &'static str, status: u16, words: Words) -> Route {
    Route {
        json: Some(INVALID),
        ..get(path, status, words)
    }
}

const fn filtered(route: Route, platform: Words) -> Route {
    Route {
        platform: Some(platform),
        ..route
    }
}

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let addresses = stage.company().await?.node.addresses.clone();
    for (dialect, address) in addresses {
        let mut differences = Vec::new();
        for route in ROUTES {
            let url = format!("http://{address}{PREFIX}{}", route.path);
            let method = if route.json.is_some() { "POST" } else { "GET" };
            let mut arguments = vec!["call", method, &url, "--retries", "0"];
            arguments.extend(route.json);
            let called = stage.civic(&arguments).await?;
            let stderr = String::from_utf8_lossy(&called.stderr);
            let last = stderr.lines().last().unwrap_or_default();
            let failed: Value = serde_json::from_str(last).unwrap_or_default();
            let message = failed["message"].as_str().unwrap_or_default();
            if failed["status"] != route.status || !route.expected(&dialect).are_in(message) {
                differences.push(format!("{}: {last}", route.path));
            }
        }
        findings.no_differences(
            &format!("The words of an error reach the caller (exception filter `{dialect}`)"),
            &format!("{} errors", ROUTES.len()),
            &differences,
        );
    }
    Ok(())
}

// ===== impl Route =====

impl Route {
    fn expected(&self, dialect: &str) -> Words {
        match (dialect, self.platform) {
            // Nest itself answers what this filter does not catch.
            ("documented", _) if self.path != "/plain" => Words::None,
            ("platform", Some(words)) => words,
            _ => self.words,
        }
    }
}

// ===== impl Words =====

impl Words {
    fn are_in(self, message: &str) -> bool {
        match self {
            Self::Text(text) => message == text,
            Self::Parts(parts) => {
                let mut rest = message;
                parts.iter().all(|part| {
                    let found = rest.find(part);
                    rest = found.map_or("", |at| &rest[at + part.len()..]);
                    found.is_some()
                })
            }
            // The client's own words, which name the status.
            Self::None => message.contains("status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_their_order_only() {
        let words = Words::Parts(&["one", "two"]);
        assert!(words.are_in("one, two"));
        assert!(!words.are_in("two, one"));
        assert!(!words.are_in("one"));
        assert!(!Words::Text("one").are_in("one, two"));
    }
}
