//! What can be read in a token without its key, and nothing that could be used as one.

use serde_json::Value;

/// The readable parts of a bearer token.
#[derive(Clone, Debug)]
pub(super) struct Readable {
    /// The header's text.
    pub(super) header: String,
    /// The claims' text, member order included.
    pub(super) claims: String,
    claims_value: Value,
}

// ===== impl Readable =====

impl Readable {
    /// Reads the value of an `Authorization` header.
    pub(super) fn from_authorization(value: &str) -> Result<Self, String> {
        let token = value
            .strip_prefix("Bearer ")
            .ok_or("Authorization is not a Bearer token")?;
        let [header, claims, _signature] = token.split('.').collect::<Vec<_>>()[..] else {
            return Err("a token has three parts".to_owned());
        };
        let header = text(header)?;
        let claims = text(claims)?;
        let claims_value = serde_json::from_str(&claims).map_err(|error| error.to_string())?;
        Ok(Self {
            header,
            claims,
            claims_value,
        })
    }

    /// A numeric claim.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.claims_value.get(name)?.as_u64()
    }
}

/// A token with its signature cut: fit for a screen.
pub(super) fn cut(value: &str) -> String {
    match value.rsplit_once('.') {
        Some((readable, _)) => {
            let shown: String = readable.chars().take(44).collect();
            format!("{shown}….[signature cut]")
        }
        None => "[cut]".to_owned(),
    }
}

/// The last part of a token, which no log may hold.
pub(super) fn signature(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or(token)
}

fn text(base64url: &str) -> Result<String, String> {
    let bytes = decode(base64url).ok_or("not base64url")?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// Base64url without padding (RFC 4648, section 5).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let mut buffer = 0_u32;
    let mut bits = 0;
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_token_has_lost_its_signature() {
        let shown = cut("Bearer aaa.bbb.secretmac");
        assert!(!shown.contains("secretmac"), "{shown}");
    }

    #[test]
    fn claims_are_read_in_their_own_order() {
        let value = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ6IjoxLCJpYXQiOjd9.x";
        let readable = Readable::from_authorization(value).unwrap();
        assert_eq!(readable.header, r#"{"alg":"HS256","typ":"JWT"}"#);
        assert_eq!(readable.claims, r#"{"z":1,"iat":7}"#);
        assert_eq!(readable.number("iat"), Some(7));
    }
}
