//! An answer without what is different each time.

use jiff::fmt::rfc2822;

use crate::text::{times, without_times};
use crate::wire::Answer;

/// What a made-up id is replaced by.
const ID: &str = "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx";

/// What a date is replaced by, if it has the form of RFC 9110.
const DATE: &str = "Day, dd Mon yyyy hh:mm:ss GMT";

/// The member of an error body with the id of the request.
const MEMBER: &str = "\"correlationId\":\"";

/// An answer as it is compared.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) status: u16,
    /// By name, in lower case; the values in the order of the wire.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The seconds since 1970 of the times that were masked.
    pub(super) times: Vec<i64>,
}

// ===== impl Masked =====

impl Masked {
    /// `has_id` says whether the request had a correlation id. Then the answer's is no made-up one.
    pub(super) fn new(answer: &Answer, has_id: bool) -> Self {
        let mut times_seen = Vec::new();
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                let value = match name.as_str() {
                    "x-correlation-id" if !has_id && is_uuid(value) => ID.to_owned(),
                    "date" => match seconds_of_date(value) {
                        Some(seconds) => {
                            times_seen.push(seconds);
                            DATE.to_owned()
                        }
                        None => value.clone(),
                    },
                    _ => value.clone(),
                };
                (name, value)
            })
            .collect();
        // Only the order of values with one name means something.
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        let body = match std::str::from_utf8(&answer.content) {
            Ok(text) => {
                times_seen.extend(times(text));
                let masked = without_times(text);
                let masked = match has_id {
                    true => masked,
                    false => without_ids(&masked),
                };
                masked.into_bytes()
            }
            Err(_) => answer.content.clone(),
        };
        Self {
            status: answer.status,
            headers,
            body,
            times: times_seen,
        }
    }
}

/// The text with each made-up id of an error body masked.
fn without_ids(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MEMBER) {
        let (before, value) = rest.split_at(at + MEMBER.len());
        masked.push_str(before);
        rest = match value.get(..ID.len()) {
            Some(id) if is_uuid(id) => {
                masked.push_str(ID);
                &value[ID.len()..]
            }
            _ => value,
        };
    }
    masked.push_str(rest);
    masked
}

/// The seconds since 1970 of a date in the form `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of_date(text: &str) -> Option<i64> {
    let has_form = text.len() == DATE.len()
        && text
            .bytes()
            .zip(DATE.bytes())
            .all(|(byte, form)| match form {
                b',' | b' ' | b':' => byte == form,
                _ => byte.is_ascii_alphanumeric(),
            })
        && text.ends_with("GMT");
    let date = has_form.then(|| rfc2822::parse(text).ok()).flatten()?;
    Some(date.timestamp().as_second())
}

fn is_uuid(text: &str) -> bool {
    text.len() == ID.len()
        && text.bytes().zip(ID.bytes()).all(|(byte, form)| match form {
            b'-' => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE_UP: &str = "9d3c1b5a-7e2f-4a60-8b91-c2d3e4f50617";

    fn answer(headers: &[(&str, &str)], body: &str) -> Answer {
        Answer {
            raw: Vec::new(),
            status: 404,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_owned(),
            content: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_made_up_id_is_masked_and_the_callers_is_not() {
        let body = format!(r#"{{"correlationId":"{MADE_UP}","data":{{"id":"{MADE_UP}"}}}}"#);
        let answer = answer(&[("X-Correlation-Id", MADE_UP)], &body);
        let masked = Masked::new(&answer, false);
        assert_eq!(masked.headers[0].1, ID);
        let text = String::from_utf8(masked.body).expect("text");
        assert_eq!(
            text.matches(ID).count(),
            1,
            "an id of the data stays: {text}"
        );
        let kept = Masked::new(&answer, true);
        assert_eq!(kept.headers[0].1, MADE_UP);
        assert_eq!(kept.body, body.as_bytes());
    }

    #[test]
    fn a_date_in_another_form_stays() {
        let date = |value| {
            Masked::new(&answer(&[("Date", value)], ""), true).headers[0]
                .1
                .clone()
        };
        assert_eq!(date("Thu, 26 Nov 2026 20:22:17 GMT"), DATE);
        for other in [
            "2026-11-26T20:22:17Z",
            "Thu, 26 Nov 2026 20:22:17 UTC",
            "Mon, 26 Nov 2026 20:22:17 GMT",
            "Thu, 26 Nov 2026 25:22:17 GMT",
            "",
        ] {
            assert_eq!(date(other), other);
        }
    }

    #[test]
    fn the_times_that_are_masked_are_kept_beside() {
        let body = r#"{"timestamp":"2026-11-26T01:02:03.004Z","data":{"timestamp":"inner"}}"#;
        let date = [("Date", "Thu, 26 Nov 2026 20:22:17 GMT")];
        assert_eq!(
            Masked::new(&answer(&date, body), true).times,
            [1_795_724_537, 1_795_654_923]
        );
    }
}
