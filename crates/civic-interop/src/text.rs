//! What was seen, made comparable and fit for a screen.

use civic_client::{Error, NotRetried};
use jiff::Timestamp;

/// The beginning of the member with the time of an envelope or an error.
const MEMBER: &str = "\"timestamp\":\"";

/// What a `timestamp` is replaced by.
const MASK: &str = "YYYY-MM-DDThh:mm:ss.mmmZ";

/// The text with the value of each `"timestamp"` member masked, if it is a time in the platform's
/// form: RFC 3339 in UTC with milliseconds. Another one stays as it is, and so is a difference.
pub(crate) fn without_times(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MEMBER) {
        let (before, value) = rest.split_at(at + MEMBER.len());
        masked.push_str(before);
        rest = match value.get(..MASK.len()) {
            Some(time) if seconds(time).is_some() => {
                masked.push_str(MASK);
                &value[MASK.len()..]
            }
            _ => value,
        };
    }
    masked.push_str(rest);
    masked
}

/// The seconds since 1970 of a time in the platform's form.
fn seconds(text: &str) -> Option<i64> {
    let has_form = text.len() == MASK.len()
        && text
            .bytes()
            .zip(MASK.bytes())
            .all(|(byte, form)| match form {
                b'-' | b':' | b'.' | b'T' | b'Z' => byte == form,
                _ => byte.is_ascii_digit(),
            });
    let time: Timestamp = has_form.then(|| text.parse().ok()).flatten()?;
    Some(time.as_second())
}

/// The seconds since 1970 of each time that [`without_times`] masks.
pub(crate) fn times(text: &str) -> Vec<i64> {
    text.match_indices(MEMBER)
        .filter_map(|(at, _)| {
            let value = text.get(at + MEMBER.len()..)?;
            seconds(value.get(..MASK.len())?)
        })
        .collect()
}

/// The first place where two texts differ, with a little of both.
pub(crate) fn difference(node: &str, rust: &str) -> String {
    let same = node
        .char_indices()
        .zip(rust.chars())
        .find(|((_, left), right)| left != right)
        .map_or_else(|| node.len().min(rust.len()), |((at, _), _)| at);
    let from = node[..same]
        .char_indices()
        .rev()
        .nth(15)
        .map_or(0, |(at, _)| at);
    let shown = |text: &str| -> String { text[from..].chars().take(70).collect() };
    format!(
        "from byte {from}: Node {:?}, Rust {:?}",
        shown(node),
        shown(rust)
    )
}

/// What distinguishes one failure from another, without what is different each time.
pub(crate) fn describe(error: &Error) -> String {
    let reason = error.not_retried().map_or("-", NotRetried::as_str);
    match (error.status(), error.phase()) {
        (Some(status), _) => format!("{} {} {reason}", error.kind(), status.as_u16()),
        (None, Some(phase)) => format!("{} while {phase} {reason}", error.kind()),
        (None, None) => format!("{} {reason}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_in_the_form_of_the_platform_are_masked() {
        let at = |time: &str| format!(r#"{{"data":{{"timestamp":"inner"}},"timestamp":"{time}"}}"#);
        assert_eq!(without_times(&at("2026-11-22T10:12:26.487Z")), at(MASK));
        for other in [
            "2026-11-22T10:12:26Z",
            "2026-11-22T10:12:26.487+00:00",
            "2026-11-22T25:12:26.487Z",
            "2026-02-30T10:12:26.487Z",
            "x",
        ] {
            assert_eq!(without_times(&at(other)), at(other), "{other}");
            assert_eq!(times(&at(other)), [0; 0], "{other}");
        }
        assert_eq!(times(&at("2026-11-26T01:02:03.004Z")), [1_795_654_923]);
    }

    #[test]
    fn a_difference_is_shown_where_it_is() {
        let node = format!("{}é1", "a".repeat(40));
        let rust = format!("{}é2", "a".repeat(40));
        let shown = difference(&node, &rust);
        assert!(shown.contains("é1") && shown.contains("é2"), "{shown}");
        assert!(shown.contains("from byte 25"), "{shown}");
        assert!(difference("ab", "abc").contains("\"abc\""));
    }
}
