//! The fast and the slow path against each other, and both against a statement of the rules.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::mode::unwrap;
use super::recognition::Recognition;
use super::{fast, slow};
use crate::error::{Error, ErrorKind, MAX_MESSAGE_BYTES};
use crate::error_body::words;
use crate::json::Json;
use crate::wire::{MAX_SUCCESS_BYTES, without_bom};

const RECOGNITIONS: [Recognition; 3] =
    [Recognition::Mark, Recognition::Shape, Recognition::TwoKeys];

const TIMESTAMP: &str = r#""2026-11-22T10:12:26.436Z""#;

/// A domain type that looks a little like an envelope, and like its own `data`.
#[derive(Debug, Deserialize, PartialEq)]
struct Page {
    success: bool,
    data: Vec<u8>,
    total: Option<u64>,
}

/// Ignores every member but one.
#[derive(Debug, Deserialize, PartialEq)]
struct Narrow {
    a: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Nested(Vec<Self>);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Yes,
    No { why: String },
}

/// A type that reads nothing at all.
#[derive(Debug, PartialEq)]
struct Blind;

impl<'de> Deserialize<'de> for Blind {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

/// Why an unwrap failed, without the parser's words: they count lines from different places.
fn kind_and_message(error: &Error) -> (ErrorKind, Option<String>) {
    (error.kind(), error.message().map(str::to_owned))
}

fn paths_agree_on<T: DeserializeOwned + Debug + PartialEq>(body: &[u8]) {
    for recognition in RECOGNITIONS {
        let together = unwrap::<T>(recognition, body, MAX_SUCCESS_BYTES);
        let Ok(text) = std::str::from_utf8(without_bom(body)) else {
            assert_eq!(together.unwrap_err().kind(), ErrorKind::Decode);
            continue;
        };
        if text.is_empty() {
            continue;
        }
        let slow = slow::unwrap::<T>(text, recognition);
        if let Some(fast) = fast::unwrap::<T>(text) {
            let slow = slow.as_ref().unwrap_or_else(|error| {
                panic!("only the fast path takes {text:?} ({recognition:?}): {error:?}")
            });
            assert_eq!(&fast, slow, "{text:?} ({recognition:?})");
        }
        assert_eq!(
            together.as_ref().map_err(kind_and_message),
            slow.as_ref().map_err(kind_and_message),
            "{text:?} ({recognition:?})"
        );
    }
}

fn paths_agree(body: &[u8]) {
    paths_agree_on::<Value>(body);
    paths_agree_on::<()>(body);
    paths_agree_on::<Blind>(body);
    paths_agree_on::<Option<u8>>(body);
    paths_agree_on::<i128>(body);
    paths_agree_on::<f64>(body);
    paths_agree_on::<String>(body);
    paths_agree_on::<Vec<Value>>(body);
    paths_agree_on::<(u8, Value)>(body);
    paths_agree_on::<BTreeMap<String, Value>>(body);
    paths_agree_on::<Page>(body);
    paths_agree_on::<Narrow>(body);
    paths_agree_on::<Nested>(body);
    paths_agree_on::<Choice>(body);
}

fn canonical(data: &str) -> String {
    format!(r#"{{"success":true,"data":{data},"timestamp":{TIMESTAMP}}}"#)
}

#[test]
fn the_fast_path_takes_what_node_writes() {
    let body = canonical("[1,2]");
    assert_eq!(fast::unwrap::<Vec<u8>>(&body), Some(vec![1, 2]));
    assert_eq!(fast::unwrap::<()>(&body), Some(()));
    assert_eq!(
        fast::unwrap::<Vec<u8>>(&format!("{body}\r\n\t ")),
        Some(vec![1, 2])
    );
}

#[test]
fn fast_unwrap_equals_slow_unwrap_on_the_awkward_inputs() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let texts = [
        canonical(""),
        canonical(" "),
        canonical("1 2"),
        canonical("1,2"),
        canonical(r#"1,"success":false"#),
        canonical(r#"1,"data":2"#),
        canonical(r#"1,"timestamp":"x""#),
        canonical(r#"1,"total":2"#),
        canonical(r#"{"a":1,"a":2}"#),
        canonical(r#""a\",\"timestamp\":\"2026-11-22T10:12:26.436Z""#),
        canonical(r#""\ud800""#),
        canonical("1e999"),
        canonical("-0"),
        canonical("18446744073709551616"),
        canonical(&deep(126)),
        canonical(&deep(127)),
        canonical(&deep(128)),
        canonical(&deep(129)),
        canonical(&deep(100_000)),
        canonical(&canonical("{}")),
        canonical(r#"{"success":true,"data":[1],"total":1}"#),
        canonical(r#"[true,[1,2],10]"#),
        r#"{"success":true,"data":[1,2],"total":10}"#.to_owned(),
        r#"{"success":true,"data":1,"timestamp":"2026-11-22T10:12:26.436\""}"#.to_owned(),
        r#"{"success":true,"data":1,"timestamp":"2026-11-22T10:12:26.43\"Z"}"#.to_owned(),
        "{\"success\":true,\"data\":1,\"timestamp\":\"2026-11-22T10:12:26.43\u{1}Z\"}".to_owned(),
        "{\"success\":true,\"data\":1,\"timestamp\":\"2026-11-22T10:12:26.4\u{e9}Z\"}".to_owned(),
        format!("\u{feff}{}", canonical("1")),
        format!("\u{feff}\u{feff}{}", canonical("1")),
        format!("{}{}", canonical("1"), canonical("2")),
        format!("{}\u{a0}", canonical("1")),
        deep(100_000),
        "{".repeat(100_000),
    ];
    for text in &texts {
        paths_agree(text.as_bytes());
    }
}

#[test]
fn invalid_utf8_in_an_ignored_member_is_refused_by_both_paths() {
    let body = canonical(r#"{"a":1,"ignored":"?"}"#).into_bytes();
    let body: Vec<u8> = body
        .iter()
        .map(|&byte| if byte == b'?' { 0xff } else { byte })
        .collect();
    for recognition in RECOGNITIONS {
        let narrow = unwrap::<Narrow>(recognition, &body, MAX_SUCCESS_BYTES);
        assert_eq!(narrow.unwrap_err().kind(), ErrorKind::Decode);
        let nothing = unwrap::<()>(recognition, &body, MAX_SUCCESS_BYTES);
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Decode);
    }
}

#[test]
fn the_paths_agree_on_a_body_cut_at_every_byte() {
    let body = canonical(r#"{"a":"é\n","success":true,"data":[1,2],"total":10}"#);
    for end in 0..=body.len() {
        paths_agree(&body.as_bytes()[..end]);
    }
}

#[test]
fn borrowed_payloads_are_slices_of_the_body_on_both_paths() {
    let body = canonical(r#""Rue Saint-André""#);
    let within = |part: &str| body.as_bytes().as_ptr_range().contains(&part.as_ptr());
    let fast: &str = fast::unwrap(&body).unwrap();
    let slow: &str = slow::unwrap(&body, Recognition::Shape).unwrap();
    let raw: &RawValue = fast::unwrap(&body).unwrap();
    assert!(within(fast) && within(slow) && within(raw.get()));
    assert_eq!((fast, raw.get()), (slow, r#""Rue Saint-André""#));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        select(vec!["success", "data", "timestamp", "a"]).prop_map(String::from),
        ".{0,4}"
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One member as it is written: key (perhaps with an escape) and value.
fn member() -> impl Strategy<Value = (&'static str, String)> {
    let key = select(vec![
        "success",
        "data",
        "timestamp",
        "success",
        "data",
        "timestamp",
        "message",
        "error",
        "meta",
        "total",
        "Success",
        r"\u0073uccess",
        r"d\u0061ta",
    ]);
    let value = prop_oneof![
        3 => Just("true".to_owned()),
        1 => Just("false".to_owned()),
        3 => Just(TIMESTAMP.to_owned()),
        3 => json().prop_map(|value| value.to_string()),
    ];
    (key, value)
}

/// Any members, or those of an envelope among a few others.
fn members() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let envelope = (json(), vec(member(), 0..3)).prop_map(|(data, mut members)| {
        members.push(("success", "true".to_owned()));
        members.push(("data", data.to_string()));
        members.push(("timestamp", TIMESTAMP.to_owned()));
        members
    });
    prop_oneof![vec(member(), 0..7), envelope.prop_shuffle()]
}

/// The rules once more, over members that are known rather than parsed.
fn expected(
    recognition: Recognition,
    members: &[(&str, String)],
    whole: &str,
) -> Result<Value, (ErrorKind, Option<String>)> {
    let all = |name: &str| -> Vec<&str> {
        let plain = |key: &str| key.replace(r"\u0073", "s").replace(r"\u0061", "a");
        let named = members.iter().filter(|(key, _)| plain(key) == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let parse = |json: &str| -> Value { serde_json::from_str(json).unwrap() };
    let [success, data, timestamp, message, meta] =
        ["success", "data", "timestamp", "message", "meta"].map(all);
    let named = [&success, &data, &timestamp, &message, &meta];
    let twice = named.iter().any(|values| values.len() > 1);
    let others = members.len() > named.iter().map(|values| values.len()).sum();

    let is_envelope = success
        .iter()
        .any(|value| ["true", "false"].contains(value))
        && timestamp.iter().any(|value| value.starts_with('"'));
    if is_envelope && twice {
        return Err((ErrorKind::Protocol, None));
    }
    // Which words are found is tried elsewhere, with errors of every dialect.
    let refused = || {
        let words = words(Json::trusted(whole), MAX_MESSAGE_BYTES);
        Err((ErrorKind::Refused, words))
    };
    let booleans = |value: &&&str| ["true", "false"].contains(*value);
    let says_no = success.iter().rfind(booleans).unwrap_or(&"") == &"false";
    if is_envelope && says_no {
        return refused();
    }
    if !is_envelope && says_no && recognition != Recognition::Mark {
        let reason = |value: &&str| value.starts_with(['"', '[', '{']);
        let lenient = recognition == Recognition::TwoKeys;
        if lenient || message.iter().chain(&all("error")).any(reason) {
            return refused();
        }
    }
    let two_keys = !success.is_empty() && !data.is_empty();
    match recognition {
        Recognition::Mark if !is_envelope => Err((ErrorKind::Protocol, None)),
        Recognition::Mark => Ok(parse(data.first().unwrap_or(&"null"))),
        _ if is_envelope && !others => Ok(parse(data.first().unwrap_or(&"null"))),
        Recognition::TwoKeys if two_keys && twice => Err((ErrorKind::Protocol, None)),
        Recognition::TwoKeys if two_keys => Ok(parse(data[0])),
        _ => Ok(parse(whole)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_canonical_envelope_is_unwrapped_to_its_data(data in json()) {
        let body = canonical(&data.to_string());
        prop_assert_eq!(fast::unwrap::<Value>(&body), serde_json::from_str(&data.to_string()).ok());
        paths_agree(body.as_bytes());
    }

    #[test]
    fn every_object_is_judged_by_the_rules(
        members in members(),
        space in select(vec!["", " ", "\n\t"]),
    ) {
        let list: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}{space}"))
            .collect();
        let body = format!("{space}{{{}}}{space}", list.join(","));
        for recognition in RECOGNITIONS {
            let judged = unwrap::<Value>(recognition, body.as_bytes(), MAX_SUCCESS_BYTES);
            let judged = judged.map_err(|error| kind_and_message(&error));
            let expected = expected(recognition, &members, &body);
            prop_assert_eq!(judged, expected, "{} ({:?})", body, recognition);
        }
        paths_agree(body.as_bytes());
    }

    #[test]
    fn fast_unwrap_equals_slow_unwrap_on_mutated_bodies(
        data in json(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4),
    ) {
        let mut body = canonical(&data.to_string()).into_bytes();
        for (index, byte, edit) in edits {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match edit {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => drop(body.remove(at)),
                _ => body.truncate(at),
            }
        }
        paths_agree(&body);
    }

    #[test]
    fn fast_unwrap_equals_slow_unwrap_on_any_payload_bytes(data: Vec<u8>) {
        let (start, end) = (&canonical("")[..23], &canonical("")[23..]);
        paths_agree(&[start.as_bytes(), &data, end.as_bytes()].concat());
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        paths_agree(&body);
        paths_agree_on::<IgnoredAnyEq>(&body);
    }
}

#[derive(Debug, Deserialize)]
struct IgnoredAnyEq(IgnoredAny);

impl PartialEq for IgnoredAnyEq {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
