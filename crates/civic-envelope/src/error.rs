//! Why a body could not be turned into a value, or a value into a body.

use std::error::Error as StdError;
use std::fmt;

/// The largest number of bytes of a peer's message that an [`Error`] keeps.
const MAX_MESSAGE_BYTES: usize = 2048;

/// The error of a body that is not what it should be.
///
/// `Display` names the failure. It does not repeat the [`source`](StdError::source), and it does
/// not quote the body, except for the [message](Self::message) of a peer that refused. The source,
/// if there is one, is the JSON parser's error. Its text can quote a single value of the body.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    what: &'static str,
    message: Option<String>,
    source: Option<serde_json::Error>,
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

    pub(crate) fn decode(source: serde_json::Error) -> Self {
        Self::new(
            ErrorKind::Decode,
            "the payload cannot be decoded",
            None,
            Some(source),
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

    pub(crate) fn encode(source: serde_json::Error) -> Self {
        Self::new(
            ErrorKind::Encode,
            "the payload cannot be written as JSON",
            None,
            Some(source),
        )
    }

    fn new(
        kind: ErrorKind,
        what: &'static str,
        message: Option<String>,
        source: Option<serde_json::Error>,
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
    fn display_does_not_repeat_the_source() {
        let source = serde_json::from_str::<u8>(r#""secret""#).unwrap_err();
        assert!(source.to_string().contains("secret"));
        let error = Error::decode(source);
        assert_eq!(error.to_string(), "the payload cannot be decoded");
        assert!(error.source().is_some());
    }
}
