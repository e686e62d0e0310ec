//! The corpus: bodies of a success, and what each mode makes of them.
//!
//! `corpus.json` has a family, a name, a body, and three verdicts: without a mark, with one, and
//! without one in lenient mode. A verdict is a value, or the word of an
//! [`ErrorKind`](civic_envelope::ErrorKind).

use std::collections::{BTreeMap, BTreeSet};

use civic_envelope::{ENVELOPE_HEADER, Error, ErrorKind, UnwrapMode};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    family: String,
    name: String,
    body: String,
    plain: Verdict,
    marked: Verdict,
    lenient: Verdict,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Verdict {
    Value { value: Value },
    Kind(String),
}

fn corpus() -> Vec<Entry> {
    serde_json::from_str(include_str!("corpus.json")).expect("the corpus is JSON")
}

/// Replaces `<text*N>`, `<lt>` and `<gt>`. A text that begins with `hex:` is the bytes that it
/// writes.
fn expand(text: &str) -> Vec<u8> {
    if let Some(digits) = text.strip_prefix("hex:") {
        return digits
            .as_bytes()
            .chunks(2)
            .map(|pair| str::from_utf8(pair).expect("ASCII"))
            .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits"))
            .collect();
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').expect("a closing bracket");
        expanded.push_str(before);
        match inside.rsplit_once('*') {
            Some((text, times)) => {
                expanded.push_str(&text.repeat(times.parse().expect("a number")));
            }
            None if inside == "lt" => expanded.push('<'),
            None if inside == "gt" => expanded.push('>'),
            None => panic!("nothing is called <{inside}>"),
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded.into_bytes()
}

fn judged(result: Result<Value, Error>) -> Verdict {
    match result {
        Ok(value) => Verdict::Value { value },
        Err(error) => Verdict::Kind(
            match error.kind() {
                ErrorKind::Refused => "refused",
                ErrorKind::Protocol => "protocol",
                ErrorKind::Decode => "decode",
                other => panic!("{other:?}: {error}"),
            }
            .to_owned(),
        ),
    }
}

#[test]
fn every_body_of_the_corpus_is_judged_as_it_says_in_each_mode() {
    let marked = HeaderMap::from_iter([(ENVELOPE_HEADER, HeaderValue::from_static("1"))]);
    let unmarked = HeaderMap::new();
    for entry in corpus() {
        let title = format!("{}: {}", entry.family, entry.name);
        let body = expand(&entry.body);
        for (mode, headers, verdict) in [
            (UnwrapMode::Strict, &unmarked, &entry.plain),
            (UnwrapMode::Strict, &marked, &entry.marked),
            (UnwrapMode::Lenient, &unmarked, &entry.lenient),
            (UnwrapMode::Lenient, &marked, &entry.marked),
        ] {
            let is_marked = !headers.is_empty();
            let result = judged(mode.response(headers, &body));
            assert_eq!(&result, verdict, "{title}, {mode:?}, marked: {is_marked}");
            // A type that skips its payload also refuses what says no without words.
            let skipped = mode
                .response::<()>(headers, &body)
                .map_err(|error| error.kind());
            match verdict {
                Verdict::Kind(kind) if kind == "refused" || kind == "protocol" => {
                    assert!(skipped.is_err(), "{title}, {mode:?}");
                }
                Verdict::Value { .. } => {
                    let fits = matches!(skipped, Ok(()) | Err(ErrorKind::Refused));
                    assert!(fits, "{title}, {mode:?}: {skipped:?}");
                }
                Verdict::Kind(_) => {}
            }
        }
    }
}

#[test]
fn every_family_of_the_corpus_has_siblings_and_every_name_is_its_own() {
    let mut families: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in corpus() {
        let names = families.entry(entry.family.clone()).or_default();
        assert!(
            names.insert(entry.name.clone()),
            "twice: {}: {}",
            entry.family,
            entry.name
        );
    }
    let counts: Vec<_> = families
        .iter()
        .map(|(family, names)| (family, names.len()))
        .collect();
    assert!(
        counts.len() >= 6 && counts.iter().all(|(_, count)| *count >= 8),
        "{counts:?}"
    );
}

#[test]
fn an_envelope_of_the_corpus_that_is_cut_anywhere_never_is_a_success_behind_the_mark() {
    let marked = HeaderMap::from_iter([(ENVELOPE_HEADER, HeaderValue::from_static("1"))]);
    for entry in corpus() {
        let body = expand(&entry.body);
        if !matches!(entry.marked, Verdict::Value { .. }) || body.len() > 1000 {
            continue;
        }
        let whole = body.trim_ascii_end().len();
        for end in 0..whole {
            let cut = UnwrapMode::Strict.response::<Value>(&marked, &body[..end]);
            assert!(
                cut.is_err(),
                "{}: {} cut at {end}",
                entry.family,
                entry.name
            );
        }
    }
}
