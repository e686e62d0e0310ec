//! Why a body could not be turned into a value, or a value into a body.

use std::error::Error as StdError;
use std::fmt;

use crate::parse_error::ParseError;

/// The largest number of bytes of a peer's message that an [`Error`] keeps.
pub(crate) const MAX_MESSAGE_BYTES: usize = 2048;

/// The error of a body that is not what it should be.
///
/// `Display` names the failure. It does not repeat the [`source`](StdError::source), and it does
/// not quote the body, except for the [message](Self::message) of a peer that refused. The source,
/// if there is one, says what a parser found wrong and where ([`path`](Self::path), line and
/// column), and does not quote the value either, which may be personal, and large.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    what: &'static str,
    message: Option<String>,
    source: Option<ParseError>,
}

/// What went wrong, and on which side.
///
/// None of these is worth a retry: the same answer would come again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer answered `success:false`. [`Error::message`] is the peer's message.
    Refused,
    /// The peer broke the envelope's rules: a marked response is not an envelope, or an envelope
    /// has a duplicate member. Report it to the owner of the peer.
    Protocol,
    /// The payload is not JSON, or not of the requested type. Correct the type on one of the sides.
    Decode,
    /// The body is larger than the limit, and no part of it was parsed. Ask for less.
    TooLarge,
    /// A value of this process cannot be written as JSON, for example a map whose keys are not
    /// strings.
    Encode,
}

impl Error {
    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message of a peer that [refused](ErrorKind::Refused), at most 2 KiB of it.
    ///
    /// `None` if the peer sent no message, and for every other kind.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Returns the path of the value that could not be decoded, from the start of the payload: for
    /// example `$.items[3].owner`.
    ///
    /// At most 32 levels are named, and 64 characters of each name. `None` unless the kind is
    /// [`Decode`](ErrorKind::Decode) and the body is UTF-8.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.source.as_ref().map(ParseError::path)
    }

    /// Returns the line at which the parser stopped, counted from 1 at the start of the payload.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.source.as_ref().map(ParseError::line)
    }

    /// Returns the column at which the parser stopped, in bytes, counted from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.0.source.as_ref().map(ParseError::column)
    }

    pub(crate) fn refused(message: Option<String>) -> Self {
        let message = message.map(|mut message| {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
            message
        });
        Self::new(
            ErrorKind::Refused,
            "the peer answered success:false",
            message,
            None,
        )
    }

    pub(crate) fn protocol(what: &'static str) -> Self {
        Self::new(ErrorKind::Protocol, what, None, None)
    }

    pub(crate) fn not_utf8() -> Self {
        Self::new(ErrorKind::Decode, "the body is not UTF-8", None, None)
    }

    /// The parser's error in `text`.
    pub(crate) fn decode(source: &serde_json::Error, text: &str) -> Self {
        Self::new(
            ErrorKind::Decode,
            "the payload cannot be decoded",
            None,
            Some(ParseError::new(source, text)),
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            ErrorKind::TooLarge,
            "the body is larger than the limit",
            None,
            None,
        )
    }

    pub(crate) fn encode(source: &serde_json::Error) -> Self {
        Self::new(
            ErrorKind::Encode,
            "the payload cannot be written as JSON",
            None,
            Some(ParseError::new(source, "")),
        )
    }

    fn new(
        kind: ErrorKind,
        what: &'static str,
        message: Option<String>,
        source: Option<ParseError>,
    ) -> Self {
        Self(Box::new(Repr {
            kind,
            what,
            message,
            source,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.what)?;
        match &self.0.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("what", &self.0.what)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_message_is_kept_up_to_2_kib() {
        let error = Error::refused(Some("é".repeat(2000)));
        assert_eq!(error.message().map(str::len), Some(2048));
    }

    #[test]
    fn an_error_can_be_sent_to_another_thread() {
        fn assert_send_and_sync<T: Send + Sync + 'static>() {}
        assert_send_and_sync::<Error>();
    }

    #[test]
    fn neither_error_nor_source_quotes_the_value_however_it_is_printed() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Person {
            #[allow(dead_code, reason = "only the error is looked at")]
            ssn: u64,
            #[allow(dead_code, reason = "only the error is looked at")]
            kind: Option<Kind>,
        }
        #[derive(Debug, serde::Deserialize)]
        enum Kind {
            Natural,
        }
        let secret = "123-45-6789, expected 5";
        for (json, path, what) in [
            (
                format!(r#"{{"ssn":"{secret}"}}"#),
                "$.ssn",
                "invalid type: a string, expected u64",
            ),
            (
                format!(r#"{{"ssn":1,"kind":"{secret}"}}"#),
                "$.kind",
                "unknown variant, expected `Natural`",
            ),
            (
                format!(r#"{{"ssn":1,"{secret}":1}}"#),
                "",
                "unknown field, expected `ssn` or `kind`",
            ),
            (
                r#"{"ssn":-123456789}"#.to_owned(),
                "$.ssn",
                "invalid value, expected u64",
            ),
            ("{}".to_owned(), "$", "missing field `ssn`"),
            (r#"{"ssn":1"#.to_owned(), "", "EOF while parsing an object"),
        ] {
            let parsed = serde_json::from_str::<Person>(&json).unwrap_err();
            let error = Error::decode(&parsed, &json);
            assert_eq!(error.to_string(), "the payload cannot be decoded");
            let source = error.source().unwrap().to_string();
            assert!(source.starts_with(what), "{source}");
            if !path.is_empty() {
                assert_eq!(error.path(), Some(path));
                let printed = format!("{source} {error:?} {error:#?}");
                assert!(!printed.contains("6789"), "{printed}");
            }
            assert!(source.contains("(line 1, column "), "{source}");
        }
    }

    #[test]
    fn the_error_of_a_large_value_is_small() {
        let json = format!(r#"{{"a":[{{"ssn":"{}"}}]}}"#, "x".repeat(12_000_000));
        let parsed = serde_json::from_str::<
            std::collections::BTreeMap<String, Vec<std::collections::BTreeMap<String, u64>>>,
        >(&json);
        let error = Error::decode(&parsed.unwrap_err(), &json);
        assert_eq!(error.path(), Some("$.a[0].ssn"));
        assert!(format!("{error:?}").len() < 300, "{error:?}");
    }
}
