//! The fast path: the envelope that the platform's services write, byte for byte.
//!
//! If the body is the 23 bytes, one JSON value and the 40 bytes, then it has exactly the members
//! `success`, `data` and `timestamp`, without duplicates, and no scan for them is needed. The
//! parser checks the middle part while it decodes it: it accepts exactly one value and nothing
//! after it.

use serde::Deserialize;

use super::decode::decode;
use crate::wire::{PREFIX, SUFFIX_END, SUFFIX_START, TIMESTAMP_LEN};

/// Returns the value, or `None` if the slow path has to say what is wrong.
pub(super) fn unwrap<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    decode(payload(text)?).ok()
}

fn payload(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PREFIX)?;
    let rest = rest.trim_end_matches([' ', '\t', '\r', '\n']);
    let rest = rest.strip_suffix(SUFFIX_END)?;
    let (rest, timestamp) = rest.split_at_checked(rest.len().checked_sub(TIMESTAMP_LEN)?)?;
    let payload = rest.strip_suffix(SUFFIX_START)?;
    // Printable and without a quote or an escape: the string ends where it seems to end.
    let plain = timestamp
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
    // White space alone is not a value, even for a type that reads nothing.
    let blank = payload
        .bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    (plain && !blank).then_some(payload)
}
