//! The compact form of a token: size and shape, before anything is decoded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Cause;

/// The length of the longest token that is looked at. The platform's own have about 400 bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 4096;

/// A token split into its three parts, none of them empty, all of them in the base64url alphabet.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) header: &'a str,
    pub(crate) claims: &'a str,
    pub(crate) signature: &'a str,
    /// What is signed: header, dot, claims.
    pub(crate) signed: &'a str,
}

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
        let in_alphabet = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
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
