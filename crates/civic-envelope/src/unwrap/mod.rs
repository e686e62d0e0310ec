//! The client's side: from the bytes of a success to a value, in one typed pass.
//!
//! # What is promised
//!
//! 1. A body of more than 16 MiB is refused before it is parsed. So is a body that is not UTF-8.
//!    One byte order mark is skipped.
//! 2. An empty body is `null`, unless it is marked: then the envelope is missing.
//! 3. **Marked** (`x-envelope: 1`), the body must be an envelope: an object with a boolean
//!    `success`, a string `timestamp`, and `data` unless `success` is true. Otherwise it is a
//!    [protocol error](ErrorKind::Protocol).
//! 4. **Not marked**, the same object is an envelope if it has no other members but `message` and
//!    `meta`. Any other body is the payload itself, as a whole: a domain type with members
//!    `success` and `data` survives.
//! 5. `success:false` is [refused](ErrorKind::Refused) with the peer's words, and never data, if
//!    there is a string `timestamp`, or if the body is not marked and has a `message` or an `error`
//!    (a string, a list or an object). Without all of these it is refused for `()` and in
//!    [lenient mode](UnwrapMode::Lenient); any other type reads it itself. [`UnwrapMode::Raw`] is
//!    the way out.
//! 6. `success:true` without `data` is `null`: Node services answer so for a handler that returned
//!    nothing.
//! 7. A duplicate of one of the five members, in an object with a boolean `success` and a string
//!    `timestamp`, is a protocol error.
//! 8. For `()` the payload is checked to be JSON and skipped, whatever it is.
//! 9. A failed decode names the path, the line and the column of the value, and never quotes it.
//! 10. No body makes the unwrap allocate more than four times its size, but for what `T` itself
//!     keeps.
//! 11. A number is read as Node reads it: the nearest double, to the bit.
//!
//! # What is not promised
//!
//! A response that is cut at zero bytes and has no mark looks like an empty one. A lone surrogate
//! (`"\ud800"`), which Node reads, is an error if a `String` is requested; one in the name of a
//! member, or in a member that is not requested, is not.
//!
//! # How
//!
//! The fast path compares the 23 bytes before and the 40 after the payload and parses what is
//! between them. Whatever it cannot read goes to the slow path, which finds the payload as a slice
//! of the body. Both hand the same slice to the same parser, so they cannot disagree.

mod decode;
mod fast;
mod mode;
mod recognition;
mod slow;

pub use self::mode::{UnwrapMode, unwrap_envelope, unwrap_response};
#[cfg(doc)]
use crate::error::ErrorKind;

#[cfg(test)]
mod tests;
