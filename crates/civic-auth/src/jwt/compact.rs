//! The compact form of a token: size and shape, before anything is decoded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Cause;

/// The length of the longest token that is looked at. The platform's own have about 400 bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 4096;

/// The length of the longest signature: that of EdDSA and ES256.
const MAX_SIGNATURE_BYTES: usize = 64;

/// A token split into its three parts, none of them empty, all of them in the base64url alphabet.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) header: &'a str,
    pub(crate) claims: &'a str,
    pub(crate) signature: &'a str,
    /// What is signed: header, dot, claims.
    pub(crate) signed: &'a str,
}

/// Which bytes are characters of base64url (RFC 4648 section 5).
const ALPHABET: [bool; 256] = {
    let mut alphabet = [false; 256];
    let mut byte = 0;
    while byte < alphabet.len() {
        let character = byte as u8;
        alphabet[byte] = character.is_ascii_alphanumeric() || matches!(character, b'-' | b'_');
        byte += 1;
    }
    alphabet
};

pub(crate) fn check_size(token: &[u8]) -> Result<(), Cause> {
    if token.len() > MAX_TOKEN_BYTES {
        Err(Cause::TooLarge)
    } else {
        Ok(())
    }
}

impl<'a> Compact<'a> {
    /// Splits a token. Any character outside the alphabet means another serialisation (RFC 8725bis,
    /// "Check JWT Format Type").
    pub(crate) fn split(token: &'a [u8]) -> Result<Self, Cause> {
        let token = str::from_utf8(token).map_err(|_| Cause::MalformedToken)?;
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Cause::MalformedToken);
        };
        let in_alphabet =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| ALPHABET[usize::from(byte)]);
        if ![header, claims, signature].into_iter().all(in_alphabet) {
            return Err(Cause::MalformedToken);
        }
        let signed = &token[..header.len() + 1 + claims.len()];
        Ok(Self {
            header,
            claims,
            signature,
            signed,
        })
    }
}

/// Decodes strict base64url: no padding, and no bits after the last byte, so that each value has
/// one spelling.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// A decoded signature.
pub(crate) struct Signature {
    /// base64 asks for a little more room than it uses.
    bytes: [u8; MAX_SIGNATURE_BYTES + 4],
    length: usize,
}

impl Signature {
    /// Decodes the third part of a token. One that is longer than any signature is none.
    pub(crate) fn decode(part: &str) -> Option<Self> {
        let mut bytes = [0; MAX_SIGNATURE_BYTES + 4];
        let length = URL_SAFE_NO_PAD.decode_slice(part, &mut bytes).ok()?;
        Some(Self { bytes, length })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Decodes a part that is text in UTF-8.
pub(crate) fn decode_text(part: &str) -> Option<String> {
    String::from_utf8(decode(part)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_parts_in_base64url_are_a_token() {
        let token = Compact::split(b"aA0-.b_.c").unwrap_or_else(|_| panic!("must be taken apart"));
        assert_eq!(
            (token.header, token.claims, token.signature),
            ("aA0-", "b_", "c")
        );
        assert_eq!(token.signed, "aA0-.b_");

        let refused: [&[u8]; 20] = [
            b"",
            b".",
            b"..",
            b"...",
            b"a",
            b"a.b",
            b"a.b.",
            b".b.c",
            b"a..c",
            b"a.b.c.d",
            b"a.b.c.",
            b"a.b=.c",
            b"a.b+.c",
            b"a.b/.c",
            b"a.b .c",
            b"a.b\r\n.c",
            b"a.b\0.c",
            b"a.b\xff.c",
            "a.é.c".as_bytes(),
            b"{\"payload\":\"b\"}",
        ];
        for token in refused {
            assert!(
                Compact::split(token).is_err(),
                "{}",
                String::from_utf8_lossy(token)
            );
        }
    }

    #[test]
    fn a_value_has_one_spelling() {
        assert_eq!(decode("YQ").as_deref(), Some(&b"a"[..]));
        for spelling in ["YR", "Yf", "Y", "YQ==", "YWJjY", "YW I", "YQ\n"] {
            assert_eq!(decode(spelling), None, "{spelling:?}");
        }
    }
}
