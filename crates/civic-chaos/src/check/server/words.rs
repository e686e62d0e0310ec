//! The words of a `SET` command.

use crate::history::{MILLI, SECOND};

/// Returns the ttl of `SET … PX ms`.
pub(super) fn millis(rest: &[String]) -> Option<u64> {
    option(rest, "PX").map(|millis| millis * MILLI)
}

/// Returns the ttl of `SET … EX s`.
pub(super) fn seconds(rest: &[String]) -> Option<u64> {
    option(rest, "EX").map(|seconds| seconds * SECOND)
}

fn option(rest: &[String], name: &str) -> Option<u64> {
    let at = rest
        .iter()
        .position(|word| word.eq_ignore_ascii_case(name))?;
    rest.get(at + 1)?.parse().ok()
}
