//! The client's side: from the bytes of a success to a value, in one typed pass.
//!
//! # What is promised
//!
//! 1. A body of more than 16 MiB is refused before it is parsed. So is a body that is not UTF-8. One
//!    byte order mark is skipped.
//! 2. An empty body is `null`, unless it is marked: then the envelope is missing.
//! 3. **Marked** (`x-envelope: 1`), the body must be an envelope: an object with a boolean
//!    `success`, a string `timestamp`, and `data` unless `success` is true. Otherwise it is a
//!    [protocol error](ErrorKind::Protocol).
//! 4. **Not marked**, the same object is an envelope if it has no other members but `message` and
//!    `meta`. Any other body is the payload itself, as a whole: a domain type with members `success`
//!    and `data` survives.
//! 5. `success:false` with a string `timestamp` is [refused](ErrorKind::Refused) with the peer's
//!    message, whatever the other members are. It is never data.
//! 6. `success:true` without `data` is `null`: Node services answer so for a handler that returned
//!    nothing.
//! 7. A duplicate of one of the five members, in an object with a boolean `success` and a string
//!    `timestamp`, is a protocol error.
//! 8. For `()` the payload is checked to be JSON and skipped, whatever it is.
//! 9. A number is read as Node reads it: the nearest double, to the bit.
//!
//! # What is not promised
//!
//! A response that is cut at zero bytes and has no mark looks like an empty one. A lone surrogate
//! (`"\ud800"`), which Node reads, is an error if a `String` is requested.
//!
//! # How
//!
//! The fast path compares the 23 bytes before and the 40 after the payload and parses what is
//! between them. Whatever it cannot read goes to the slow path, which finds the payload as a slice of
//! the body. Both hand the same slice to the same parser, so they cannot disagree.

mod fast;
mod skip_unit;
mod slow;

use http::HeaderMap;
use serde::Deserialize;

use self::skip_unit::SkipUnit;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::wire::{ENVELOPE_HEADER, MARK, MAX_SUCCESS_BYTES, NULL, without_bom};

/// How to tell an envelope from a payload.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UnwrapMode {
    /// By the mark, or else by the whole shape: boolean `success`, string `timestamp`, `data` unless
    /// `success` is true, and no other members but `message` and `meta`. This is the default.
    #[default]
    Strict,
    /// As [`Strict`](Self::Strict), but any object with the two members `success` and `data` is an
    /// envelope too. This is the rule of the platform's Node clients. A domain type with both members
    /// loses the others.
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

/// What makes a body an envelope: the [`UnwrapMode`] together with the headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recognition {
    Mark,
    Shape,
    TwoKeys,
    Never,
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

fn unwrap<'a, T: Deserialize<'a>>(
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
        _ if text.is_empty() => decode(NULL),
        Recognition::Never => decode(text),
        _ => match fast::unwrap(text) {
            Some(value) => Ok(value),
            None => slow::unwrap(text, recognition),
        },
    }
}

fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str::<SkipUnit<T>>(text)
        .map(|payload| payload.0)
        .map_err(Error::decode)
}

#[cfg(test)]
mod tests;
