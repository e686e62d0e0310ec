//! What is different between two answers.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::masked::Masked;

/// Headers that are each server's own: about its connections, its rate limit and its compression.
const OWN: [&str; 8] = [
    "connection",
    "keep-alive",
    "server",
    "vary",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-should-retry",
];

/// How the body of an envelope of success begins.
const ENVELOPE: &[u8] = b"{\"success\":true,\"data\":";

/// Members that a comparison of values names, at most.
const NAMED: usize = 20;

/// The most characters that are printed of a value.
const WIDTH: usize = 60;

/// The clocks of the two services may be this many seconds apart.
const CLOCKS: i64 = 60;

/// Whether the values of bodies are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Values {
    Shown,
    Described,
}

/// One difference between two answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Difference {
    /// One service gave no answer that can be read.
    Answered {
        node: String,
        rust: String,
    },
    Status {
        node: u16,
        rust: u16,
    },
    /// A header, by its name.
    Header {
        name: String,
        node: String,
        rust: String,
    },
    /// A member of the body, by its JSON pointer.
    Member {
        pointer: String,
        node: String,
        rust: String,
    },
    /// The values are the same, and are written in other bytes.
    Bytes {
        at: usize,
        what: String,
    },
    /// The clocks are too far apart.
    Clock {
        seconds: i64,
    },
}

/// What one read has shown.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) differences: Vec<Difference>,
    /// Headers that are each server's own, and that only one of them sent.
    pub(crate) set_aside: BTreeSet<String>,
}

/// Compares two answers.
pub(super) fn differences(node: &Masked, rust: &Masked, values: Values) -> Found {
    let mut found = Found::default();
    if node.status != rust.status {
        found.differences.push(Difference::Status {
            node: node.status,
            rust: rust.status,
        });
    }
    compare_headers(node, rust, &mut found);
    compare_bodies(&node.body, &rust.body, values, &mut found.differences);
    if let Some(seconds) = clocks_apart(&node.times, &rust.times) {
        found.differences.push(Difference::Clock { seconds });
    }
    found
}

fn compare_headers(node: &Masked, rust: &Masked, found: &mut Found) {
    let names: BTreeSet<&str> = node
        .headers
        .iter()
        .chain(&rust.headers)
        .map(|(name, _)| name.as_str())
        .collect();
    for name in names {
        let of = |answer: &Masked| -> Vec<String> {
            answer
                .headers
                .iter()
                .filter(|(own, _)| own == name)
                .map(|(_, value)| value.clone())
                .collect()
        };
        let (left, right) = (of(node), of(rust));
        if left == right {
            continue;
        }
        if OWN.contains(&name) {
            found.set_aside.insert(name.to_owned());
            continue;
        }
        if left.is_empty() && is_added(name, &right, rust) {
            found
                .set_aside
                .insert(format!("{name}, which only Rust sends"));
            continue;
        }
        let shown = |values: Vec<String>| match values.is_empty() {
            true => "absent".to_owned(),
            // A cookie is a credential.
            false if name == "set-cookie" => format!("{} values", values.len()),
            false => format!("{:?}", values.join("; ")),
        };
        found.differences.push(Difference::Header {
            name: name.to_owned(),
            node: shown(left),
            rust: shown(right),
        });
    }
}

/// Whether a Rust service adds this header to such an answer on purpose, with such a value, where a
/// Node service has none: docs/migrating-from-node.md names them.
fn is_added(name: &str, values: &[String], rust: &Masked) -> bool {
    let [value] = values else { return false };
    let is_refused = matches!(rust.status, 401 | 403);
    match name {
        "cache-control" => is_refused && value == "no-store",
        "www-authenticate" => is_refused && value.starts_with("Bearer realm="),
        // Node has it only in the body of an error.
        "x-correlation-id" => rust.status >= 400,
        // The answer to a HEAD has no body that could tell.
        "x-envelope" => value == "1" && (rust.body.is_empty() || rust.body.starts_with(ENVELOPE)),
        _ => false,
    }
}

fn compare_bodies(node: &[u8], rust: &[u8], values: Values, found: &mut Vec<Difference>) {
    if node == rust {
        return;
    }
    let at = node
        .iter()
        .zip(rust)
        .position(|(left, right)| left != right)
        .unwrap_or_else(|| node.len().min(rust.len()));
    let parsed = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    let what = match (parsed(node), parsed(rust)) {
        (Some(left), Some(right)) => {
            let before = found.len();
            members("", &left, &right, values, found);
            if found.len() > before {
                return;
            }
            "the values are the same: the order of members, white space, escapes or the form of a \
             number differ"
                .to_owned()
        }
        (left, right) => {
            let shown = |body: &[u8], json: Option<Value>| match (body.is_empty(), json) {
                (true, _) => "an empty body".to_owned(),
                (false, Some(_)) => "JSON".to_owned(),
                (false, None) => format!("{} bytes that are no JSON", body.len()),
            };
            format!("Node {}, Rust {}", shown(node, left), shown(rust, right))
        }
    };
    found.push(Difference::Bytes { at, what });
}

/// Adds the members whose values differ.
fn members(pointer: &str, node: &Value, rust: &Value, values: Values, found: &mut Vec<Difference>) {
    let differs = |pointer: String, node: String, rust: String| Difference::Member {
        pointer,
        node,
        rust,
    };
    match (node, rust) {
        _ if node == rust || found.len() >= NAMED => {}
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                let pointer = format!("{pointer}/{escaped}");
                match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => members(&pointer, left, right, values, found),
                    (left, right) => found.push(differs(
                        pointer,
                        left.map_or_else(|| "absent".to_owned(), |value| shown(value, values)),
                        right.map_or_else(|| "absent".to_owned(), |value| shown(value, values)),
                    )),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                members(&format!("{pointer}/{index}"), left, right, values, found);
            }
        }
        _ => {
            let (mut left, mut right) = (shown(node, values), shown(rust, values));
            if left == right {
                left.push_str(", another");
                right.clear();
                right.push_str("not the same");
            }
            found.push(differs(pointer.to_owned(), left, right));
        }
    }
}

/// A value, or what kind of value it is.
fn shown(value: &Value, values: Values) -> String {
    if values == Values::Shown {
        let text = value.to_string();
        let cut: String = text.chars().take(WIDTH).collect();
        return match cut.len() < text.len() {
            true => format!("{cut}…"),
            false => cut,
        };
    }
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if number.is_f64() => "a number with a fraction".to_owned(),
        Value::Number(_) => "a whole number".to_owned(),
        Value::String(text) => format!("text of {} characters", text.chars().count()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
    }
}

/// How many seconds the first pair of times is apart that is too far apart.
fn clocks_apart(node: &[i64], rust: &[i64]) -> Option<i64> {
    node.iter()
        .zip(rust)
        .map(|(node, rust)| rust - node)
        .find(|apart| apart.abs() > CLOCKS)
}

// ===== impl Found =====

impl Found {
    pub(super) fn one(difference: Difference) -> Self {
        Self {
            differences: vec![difference],
            set_aside: BTreeSet::new(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { node, rust } => write!(f, "answer: Node {node}, Rust {rust}"),
            Self::Status { node, rust } => write!(f, "status: Node {node}, Rust {rust}"),
            Self::Header { name, node, rust } => {
                write!(f, "header {name}: Node {node}, Rust {rust}")
            }
            Self::Member {
                pointer,
                node,
                rust,
            } => {
                let pointer = if pointer.is_empty() {
                    "all of it"
                } else {
                    pointer
                };
                write!(f, "body, {pointer}: Node {node}, Rust {rust}")
            }
            Self::Bytes { at, what } => write!(f, "body, from byte {at} on: {what}"),
            Self::Clock { seconds } => {
                write!(f, "times: Rust's clock is {seconds} s ahead of Node's")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(status: u16, headers: &[(&str, &str)], body: &str) -> Masked {
        Masked {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
            times: Vec::new(),
        }
    }

    fn bodies(node: &str, rust: &str, values: Values) -> Vec<String> {
        let found = differences(&masked(200, &[], node), &masked(200, &[], rust), values);
        found.differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_member_that_differs_is_named_and_its_value_is_not_printed() {
        let node = r#"{"owner":{"name":"Zoë","age":1},"a/b":null}"#;
        let rust = r#"{"owner":{"name":"Zoé"},"a/b":""}"#;
        assert_eq!(
            bodies(node, rust, Values::Described),
            [
                "body, /a~1b: Node null, Rust text of 0 characters",
                "body, /owner/age: Node a whole number, Rust absent",
                "body, /owner/name: Node text of 3 characters, another, Rust not the same",
            ]
        );
        let shown = bodies(node, rust, Values::Shown);
        assert!(shown[2].contains("Node \"Zoë\", Rust \"Zoé\""), "{shown:?}");
    }

    #[test]
    fn the_same_values_in_other_bytes_are_a_difference() {
        for (node, rust) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
            (r#"{"a":1}"#, r#"{"a": 1}"#),
            (r#"{"a":1}"#, "{\"a\":1}\n"),
            (r#"["é"]"#, r#"["\u00e9"]"#),
            ("[0.1]", "[1e-1]"),
        ] {
            let found = bodies(node, rust, Values::Described);
            assert_eq!(found.len(), 1, "{rust}: {found:?}");
            assert!(found[0].contains("the values are the same"), "{found:?}");
        }
        assert_eq!(bodies("{}", "{}", Values::Described), [""; 0]);
    }

    #[test]
    fn a_header_differs_by_its_presence_its_value_and_its_number() {
        let json = ("content-type", "application/json");
        for (node, rust) in [
            (vec![json], vec![]),
            (vec![], vec![json]),
            (vec![json], vec![("content-type", "text/plain")]),
            (vec![json], vec![json, json]),
        ] {
            let found = differences(
                &masked(200, &node, ""),
                &masked(200, &rust, ""),
                Values::Described,
            );
            assert_eq!(found.differences.len(), 1, "{node:?} {rust:?}");
        }
        let own = [("keep-alive", "timeout=72")];
        let found = differences(
            &masked(200, &own, ""),
            &masked(200, &[], ""),
            Values::Described,
        );
        assert!(found.differences.is_empty());
        assert!(found.set_aside.contains("keep-alive"));
    }

    #[test]
    fn what_rust_adds_on_purpose_is_set_aside_and_nowhere_else() {
        let envelope = r#"{"success":true,"data":1,"timestamp":"x"}"#;
        for (status, name, value, body, is_set_aside) in [
            (200, "x-envelope", "1", envelope, true),
            (200, "x-envelope", "1", "[1]", false),
            (200, "x-envelope", "2", envelope, false),
            (
                401,
                "www-authenticate",
                "Bearer realm=\"civic\"",
                "{}",
                true,
            ),
            (401, "www-authenticate", "Basic", "{}", false),
            (
                200,
                "www-authenticate",
                "Bearer realm=\"civic\"",
                "{}",
                false,
            ),
            (403, "cache-control", "no-store", "{}", true),
            (401, "cache-control", "max-age=60", "{}", false),
            (200, "cache-control", "no-store", "{}", false),
            (404, "x-correlation-id", "id", "{}", true),
            (200, "x-correlation-id", "id", "{}", false),
        ] {
            let header = [(name, value)];
            let (node, rust) = (masked(status, &[], body), masked(status, &header, body));
            let found = differences(&node, &rust, Values::Described);
            assert_eq!(
                found.set_aside.len(),
                usize::from(is_set_aside),
                "{status} {name}"
            );
            assert_eq!(
                found.differences.is_empty(),
                is_set_aside,
                "{status} {name}: {value}"
            );
            // Nothing is set aside that Node has and Rust lacks.
            let found = differences(&rust, &node, Values::Described);
            assert_eq!(found.differences.len(), 1, "{status} {name}: {value}");
        }
    }

    #[test]
    fn a_cookie_is_never_printed() {
        let cookie = [("set-cookie", "session=secret")];
        let found = differences(
            &masked(200, &[], ""),
            &masked(200, &cookie, ""),
            Values::Shown,
        );
        let text = found.differences[0].to_string();
        assert_eq!(text, "header set-cookie: Node absent, Rust 1 values");
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_no_more() {
        assert_eq!(clocks_apart(&[10], &[50]), None);
        assert_eq!(clocks_apart(&[10, 10], &[10, 71]), Some(61));
        assert_eq!(
            clocks_apart(&[1_795_654_923], &[3723]),
            Some(-1_795_651_200)
        );
        assert_eq!(clocks_apart(&[], &[3600]), None);
    }
}
