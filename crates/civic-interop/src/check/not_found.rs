//! A thing that does not exist, a route that does not, and a method that does not, in a Rust
//! service: told apart by our client and by a Node one.

use serde_json::{Value, json};

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};

/// What a caller may be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Missing {
    Thing,
    Route,
    Method,
}

const REQUESTS: [(&str, &str, Missing); 4] = [
    ("GET", "/missing", Missing::Thing),
    ("GET", "/properties/missing/assessment", Missing::Thing),
    ("GET", "/nowhere", Missing::Route),
    ("DELETE", "/missing", Missing::Method),
];

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let address = stage.company().await?.rust.address;
    let client = stage.client(address)?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for (method, path, expected) in REQUESTS {
        let call = json!({ "url": format!("http://{address}{PREFIX}{path}"), "method": method });
        let answer = stage.company().await?.caller.ask("call", call).await?;
        if by_words(&answer["data"]) != Some(expected) {
            theirs.push(format!("{method} {path}: {answer}"));
        }
        let request = match method {
            "DELETE" => client.delete(path),
            _ => client.get(path),
        };
        let told = match request.fetch_optional::<Value>().await {
            Ok(None) => Some(Missing::Thing),
            Ok(Some(_)) => None,
            Err(error) => match error.status().map(|status| status.as_u16()) {
                Some(404) => Some(Missing::Route),
                Some(405) => Some(Missing::Method),
                _ => None,
            },
        };
        if told != Some(expected) {
            ours.push(format!("{method} {path}: {told:?}"));
        }
    }
    findings.no_differences(
        "A Node client tells a missing thing, a missing route and a wrong method apart",
        "4 answers",
        &theirs,
    );
    findings.no_differences(
        "Our client tells a missing thing, a missing route and a wrong method apart",
        "4 answers",
        &ours,
    );
    Ok(())
}

/// What a Node client learns from an error body: `Cannot …` is what a router says.
fn by_words(body: &Value) -> Option<Missing> {
    let message = body["message"].as_str()?;
    match (body["statusCode"].as_u64()?, message.starts_with("Cannot ")) {
        (404, true) => Some(Missing::Route),
        (404, false) => Some(Missing::Thing),
        (405, true) => Some(Missing::Method),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_another_shape_tells_nothing() {
        for body in [
            json!(null),
            json!({"statusCode": 404}),
            json!({"statusCode": 500, "message": "Cannot"}),
        ] {
            assert_eq!(by_words(&body), None, "{body}");
        }
        assert_eq!(
            by_words(&json!({"statusCode": 404, "message": "Not Found"})),
            Some(Missing::Thing)
        );
    }
}
