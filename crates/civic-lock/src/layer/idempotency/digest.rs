//! SHA-256 of several parts, none of which can pass for a part of another.

use sha2::{Digest as _, Sha256};

/// Returns SHA-256 of the parts, each with its length before it.
pub(super) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Returns the parts that stand for a value that may be absent.
pub(super) fn optional(value: Option<&[u8]>) -> [&[u8]; 2] {
    match value {
        Some(value) => [b"some", value],
        None => [b"none", b""],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_can_pass_for_a_part_of_another() {
        let of = |parts: &[&str]| sha256(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_ne!(optional(Some(b"")), optional(None));
    }
}
