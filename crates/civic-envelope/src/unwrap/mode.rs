//! The entry points, and the modes in which a body is unwrapped.

use http::HeaderMap;
use serde::Deserialize;

use super::decode::decode;
use super::recognition::Recognition;
use super::{fast, slow};
use crate::error::Error;
use crate::wire::{ENVELOPE_HEADER, MARK, MAX_SUCCESS_BYTES, NULL, without_bom};

/// How to tell an envelope from a payload.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UnwrapMode {
    /// By the mark, or else by the whole shape: boolean `success`, string `timestamp`, `data`
    /// unless `success` is true, and no other members but `message` and `meta`. This is the
    /// default.
    #[default]
    Strict,
    /// As [`Strict`](Self::Strict), but any object with the two members `success` and `data` is an
    /// envelope too, and any `success:false` is a refusal. This is the rule of the platform's Node
    /// clients. A domain type with both members loses the others.
    Lenient,
    /// Never: the whole body is the payload, whether it is marked or not.
    Raw,
}

/// Unwraps a body whose headers are not known.
///
/// `T` may borrow from the body.
///
/// # Example
///
/// ```
/// use civic_envelope::unwrap_envelope;
///
/// let body = br#"{"success":true,"data":"Rue Saint-Andre","timestamp":"2026-02-24T12:00:00.000Z"}"#;
/// let street: &str = unwrap_envelope(body)?;
/// assert_eq!(street, "Rue Saint-Andre");
/// # Ok::<(), civic_envelope::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Refused`] for `success:false`, [`ErrorKind::Protocol`] for a broken envelope,
/// [`ErrorKind::Decode`] for a payload that is not a `T`, and [`ErrorKind::TooLarge`] for more than
/// 16 MiB.
///
/// [`ErrorKind::Refused`]: crate::ErrorKind::Refused
/// [`ErrorKind::Protocol`]: crate::ErrorKind::Protocol
/// [`ErrorKind::Decode`]: crate::ErrorKind::Decode
/// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
#[doc(alias = "unwrapEnvelope")]
pub fn unwrap_envelope<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    UnwrapMode::Strict.bytes(body)
}

/// Unwraps the body of a response, whose headers say whether it must be an envelope.
///
/// # Errors
///
/// The errors of [`unwrap_envelope`], and [`ErrorKind::Protocol`] for a marked response that is not
/// an envelope.
///
/// [`ErrorKind::Protocol`]: crate::ErrorKind::Protocol
pub fn unwrap_response<'a, T: Deserialize<'a>>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<T, Error> {
    UnwrapMode::Strict.response(headers, body)
}

// ===== impl UnwrapMode =====

impl UnwrapMode {
    /// Unwraps a body whose headers are not known, in this mode.
    ///
    /// # Errors
    ///
    /// Those of [`unwrap_envelope`].
    pub fn bytes<'a, T: Deserialize<'a>>(self, body: &'a [u8]) -> Result<T, Error> {
        self.bytes_within(body, MAX_SUCCESS_BYTES)
    }

    /// Unwraps the body of a response, whose headers say whether it must be an envelope, in this
    /// mode.
    ///
    /// # Errors
    ///
    /// Those of [`unwrap_response`].
    pub fn response<'a, T: Deserialize<'a>>(
        self,
        headers: &HeaderMap,
        body: &'a [u8],
    ) -> Result<T, Error> {
        self.response_within(headers, body, MAX_SUCCESS_BYTES)
    }

    /// Unwraps a body as [`bytes`](Self::bytes) does, with a limit of `max` bytes and not 16 MiB.
    ///
    /// # Errors
    ///
    /// Those of [`unwrap_envelope`].
    pub fn bytes_within<'a, T: Deserialize<'a>>(
        self,
        body: &'a [u8],
        max: usize,
    ) -> Result<T, Error> {
        unwrap(self.recognition(false), body, max)
    }

    /// Unwraps a body as [`response`](Self::response) does, with a limit of `max` bytes and not
    /// 16 MiB.
    ///
    /// # Errors
    ///
    /// Those of [`unwrap_response`].
    pub fn response_within<'a, T: Deserialize<'a>>(
        self,
        headers: &HeaderMap,
        body: &'a [u8],
        max: usize,
    ) -> Result<T, Error> {
        let marked = self != Self::Raw && is_marked(headers)?;
        unwrap(self.recognition(marked), body, max)
    }

    fn recognition(self, marked: bool) -> Recognition {
        match self {
            Self::Raw => Recognition::Never,
            Self::Strict | Self::Lenient if marked => Recognition::Mark,
            Self::Strict => Recognition::Shape,
            Self::Lenient => Recognition::TwoKeys,
        }
    }
}

/// Returns whether the response is marked. The mark of another version is an error, because it
/// promises something that is not known here.
fn is_marked(headers: &HeaderMap) -> Result<bool, Error> {
    let mut marks = headers.get_all(ENVELOPE_HEADER).iter().peekable();
    let marked = marks.peek().is_some();
    if marks.all(|mark| mark == MARK) {
        Ok(marked)
    } else {
        Err(Error::protocol(
            "the response is marked with an unknown version of the envelope",
        ))
    }
}

pub(super) fn unwrap<'a, T: Deserialize<'a>>(
    recognition: Recognition,
    body: &'a [u8],
    max: usize,
) -> Result<T, Error> {
    if body.len() > max {
        return Err(Error::too_large());
    }
    // First of all, because the parser does not check the encoding of what it skips.
    let text = std::str::from_utf8(without_bom(body)).map_err(|_| Error::not_utf8())?;
    match recognition {
        Recognition::Mark if text.is_empty() => Err(Error::protocol(
            "the response is marked as an envelope, but the body is empty",
        )),
        _ if text.is_empty() => decode(NULL).map_err(|error| Error::decode(&error, NULL)),
        Recognition::Never => decode(text).map_err(|error| Error::decode(&error, text)),
        _ => match fast::unwrap(text) {
            Some(value) => Ok(value),
            None => slow::unwrap(text, recognition),
        },
    }
}
