//! Forged tokens, and a verifier that knows the time.

// Rows of a table read better without ampersands.
#![allow(clippy::needless_pass_by_value)]

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use civic_auth::{AuthErrorKind, Cause, Secret, TokenMinter, TokenVerifier};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const NOW: u64 = 1_740_000_000;
pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

pub(crate) fn secret() -> Secret {
    Secret::new(SECRET).expect("a usable secret")
}

pub(crate) fn verifier() -> TokenVerifier {
    verifier_at(Duration::from_secs(NOW))
}

pub(crate) fn verifier_at(since_epoch: Duration) -> TokenVerifier {
    TokenVerifier::new(secret()).with_clock(move || UNIX_EPOCH + since_epoch)
}

pub(crate) fn minter() -> TokenMinter {
    TokenMinter::new(secret()).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these parts, signed with this key.
pub(crate) fn sign(
    algorithm: hmac::Algorithm,
    key: &[u8],
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims));
    let signature = hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

/// A token of these parts, signed with the right key.
pub(crate) fn forge(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    sign(hmac::HMAC_SHA256, SECRET.as_bytes(), header, claims)
}

/// Claims as raw JSON, in order, so that a test can break them.
#[derive(Clone)]
pub(crate) struct Claims(Vec<(String, String)>);

impl Claims {
    pub(crate) fn service() -> Self {
        Self(Vec::new())
            .set("userId", r#""00000000-0000-0000-0000-000000000000""#)
            .set("email", r#""service@internal""#)
            .set("role", r#""SERVICE_ACCOUNT""#)
            .set("municipalityId", r#""internal""#)
            .set("name", r#""Internal Service""#)
            .set("iat", NOW)
            .set("exp", NOW + 30)
    }

    pub(crate) fn user() -> Self {
        Self::service()
            .set("userId", r#""9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11""#)
            .set("email", r#""clerk@town.example""#)
            .set("role", r#""TAX_CLERK""#)
            .set("municipalityId", r#""town-1""#)
            .set("name", r#""Zoë""#)
            .set("exp", NOW + 3600)
    }

    /// Replaces a member, or adds it.
    pub(crate) fn set(mut self, name: &str, json: impl ToString) -> Self {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = json.to_string(),
            None => return self.add(name, json),
        }
        self
    }

    /// Adds a member, even if there is one already. The name is written as it is, with its escapes.
    pub(crate) fn add(mut self, name: &str, json: impl ToString) -> Self {
        self.0.push((name.to_owned(), json.to_string()));
        self
    }

    /// Adds a member in front of all others.
    pub(crate) fn add_first(mut self, name: &str, json: impl ToString) -> Self {
        self.0.insert(0, (name.to_owned(), json.to_string()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    pub(crate) fn token(&self) -> String {
        forge(HEADER, self.json())
    }
}

pub(crate) fn bearer(token: impl AsRef<[u8]>) -> HeaderMap {
    let value =
        HeaderValue::from_bytes(&[b"Bearer ", token.as_ref()].concat()).expect("a header value");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

pub(crate) fn cookie(token: &str) -> HeaderMap {
    let value =
        HeaderValue::from_str(&format!("app_access_token={token}")).expect("a header value");
    HeaderMap::from_iter([(COOKIE, value)])
}

/// Asserts that a token is refused for this cause, and that the peer is told no more than of any
/// other.
#[track_caller]
pub(crate) fn refused_by(
    verifier: &TokenVerifier,
    name: &str,
    token: impl AsRef<[u8]>,
    cause: Cause,
) {
    let token = token.as_ref();
    let Err(error) = verifier.verify(&bearer(token)) else {
        panic!("{name}: accepted")
    };
    assert_eq!(error.cause(), cause, "{name}");
    assert_eq!(error.kind(), AuthErrorKind::InvalidToken, "{name}");
    assert_eq!(error.message(), "Invalid or expired token", "{name}");
    if let Ok(token) = str::from_utf8(token) {
        assert!(
            !verifier.inspect(token).is_accepted(),
            "{name}: the inspection says that it is accepted"
        );
    }
}

#[track_caller]
pub(crate) fn refused(name: &str, token: impl AsRef<[u8]>, cause: Cause) {
    refused_by(&verifier(), name, token, cause);
}

#[track_caller]
pub(crate) fn accepted_by(verifier: &TokenVerifier, name: &str, token: &str) {
    if let Err(error) = verifier.verify(&bearer(token)) {
        panic!("{name}: {error}");
    }
    let inspection = verifier.inspect(token);
    assert!(inspection.is_accepted(), "{name}: {inspection}");
}

#[track_caller]
pub(crate) fn accepted(name: &str, token: &str) {
    accepted_by(&verifier(), name, token);
}
