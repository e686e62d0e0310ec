//! The header `Idempotency-Key`.

use http::{HeaderMap, HeaderName};

/// The name of the header: `idempotency-key`.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key.
const MAX_CHARACTERS: usize = 255;

/// A key: 1 to 255 printable characters of ASCII.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key(String);

impl Key {
    /// Reads the key of a request: an RFC 8941 string, or the bare text. `None` without one. An
    /// error is words that complete "Idempotency-Key ".
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, &'static str> {
        let mut fields = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(field) = fields.next() else {
            return Ok(None);
        };
        if fields.next().is_some() {
            return Err("must be one field: the request has several");
        }
        let Ok(text) = field.to_str() else {
            return Err("must be printable ASCII");
        };
        let text = text.trim_matches([' ', '\t']);
        let key = match text.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => bare(text)?,
        };
        match key.len() {
            0 => Err("is empty: it must have 1 to 255 characters"),
            1..=MAX_CHARACTERS => Ok(Some(Self(key))),
            _ => Err("is longer than 255 characters"),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Reads the rest of an RFC 8941 string (section 3.3.3) after its first quote.
fn unquoted(quoted: &str) -> Result<String, &'static str> {
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            None => return Err("begins with a quote and must end with one"),
            Some('"') => break,
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err("may have a backslash only before a quote or a backslash"),
            },
            Some(character @ ' '..='~') => key.push(character),
            Some(_) => return Err("must be printable ASCII"),
        }
    }
    match characters.as_str() {
        "" => Ok(key),
        _ => Err("must end with its closing quote"),
    }
}

/// Takes the text itself, unless it may be more than one key, or half of a quoted one.
fn bare(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| matches!(byte, b'!'..=b'~') && !b"\",\\".contains(&byte);
    if text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be quoted if it has a space, a comma, a quote or a backslash")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(fields: &[&str]) -> Result<Option<String>, &'static str> {
        let field = |text: &&str| {
            (
                IDEMPOTENCY_KEY,
                HeaderValue::from_str(text).expect("a value"),
            )
        };
        let headers = fields.iter().map(field).collect();
        Key::of(&headers).map(|key| key.map(|Key(text)| text))
    }

    fn quoted(key: &str) -> String {
        format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
    }

    #[test]
    fn a_key_is_quoted_or_bare_and_both_are_one() {
        assert_eq!(of(&[]), Ok(None));
        for (field, key) in [
            ("\"k\"", "k"),
            ("k", "k"),
            (" \t\"k\" ", "k"),
            ("\"a \\\"b\\\" \\\\ c, d\"", "a \"b\" \\ c, d"),
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            ("a;b=c:d/e", "a;b=c:d/e"),
        ] {
            assert_eq!(
                of(&[field]).as_ref().map(Option::as_deref),
                Ok(Some(key)),
                "{field}"
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_reason() {
        for (fields, reason) in [
            (&["k", "k"][..], "one field"),
            (&["k", ""], "one field"),
            (&[""], "empty"),
            (&["\"\""], "empty"),
            (&["\""], "end with one"),
            (&["\"k"], "end with one"),
            (&["\"k\\\""], "end with one"),
            (&["\"k\\n\""], "backslash"),
            (&["\"a\tb\""], "printable"),
            (&["\"k\";p=1"], "closing quote"),
            (&["\"a\", \"b\""], "closing quote"),
            (&["\"a\"b"], "closing quote"),
            (&["a, b"], "quoted"),
            (&["a,b"], "quoted"),
            (&["a b"], "quoted"),
            (&["k\""], "quoted"),
            (&["a\\b"], "quoted"),
        ] {
            let refused = of(fields).expect_err(reason);
            assert!(refused.contains(reason), "{fields:?}: {refused}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            IDEMPOTENCY_KEY,
            HeaderValue::from_bytes(b"\xc3\xa4").expect("a value"),
        );
        assert_eq!(Key::of(&headers), Err("must be printable ASCII"));
    }

    #[test]
    fn a_key_has_at_most_255_characters_without_quotes_and_escapes() {
        let longest = "\"".repeat(255);
        assert_eq!(of(&[&quoted(&longest)]), Ok(Some(longest)));
        assert!(of(&["k".repeat(255).as_str()]).is_ok());
        for too_long in ["k".repeat(256), quoted(&"k".repeat(256))] {
            assert_eq!(of(&[&too_long]), Err("is longer than 255 characters"));
        }
    }

    proptest! {
        #[test]
        fn every_printable_key_is_read_as_it_was_quoted(key in "[ -~]{1,255}") {
            prop_assert_eq!(of(&[&quoted(&key)]), Ok(Some(key)));
        }

        #[test]
        fn a_bare_key_is_the_same_key_as_when_it_is_quoted(key in "[!-~]{1,255}") {
            if let Ok(Some(read)) = of(&[&key]) && !key.starts_with('"') {
                prop_assert_eq!(&read, &key);
                prop_assert_eq!(of(&[&quoted(&key)]), Ok(Some(read)));
            }
        }

        #[test]
        fn any_other_value_is_refused_and_nothing_else(bytes in proptest::collection::vec(0x20u8..=0xff, 0..300)) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]);
            if let Ok(key) = Key::of(&headers) {
                let Key(key) = key.expect("there is a field");
                prop_assert!((1..=255).contains(&key.len()));
                prop_assert!(key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
