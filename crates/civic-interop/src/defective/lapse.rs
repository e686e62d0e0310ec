//! Questions that a guard fails to ask. No answer to a good caller shows it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use crate::compare::MINTED_BEFORE;

/// What a service does not ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lapse {
    /// Until when a token is valid.
    Expiry,
    /// Who has signed a token.
    Signature,
    /// Which role the caller has.
    Role,
}

// ===== impl Lapse =====

impl Lapse {
    pub(super) const ALL: [Self; 3] = [Self::Expiry, Self::Signature, Self::Role];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Expiry => "an expired token is let in",
            Self::Signature => "a token of another secret is let in",
            Self::Role => "a route is open to each role",
        }
    }

    /// The request as it passes a guard with this lapse: with a good token in place of one that
    /// should have been refused.
    pub(super) async fn admit(self, mut request: Request, secret: Secret) -> Request {
        if self.lets_in(request.headers(), &secret) {
            let token = TokenMinter::new(secret).mint();
            request
                .headers_mut()
                .insert(AUTHORIZATION, token.to_header_value());
        }
        request
    }

    fn lets_in(self, headers: &HeaderMap, secret: &Secret) -> bool {
        match self {
            Self::Expiry => {
                let verifier = TokenVerifier::new(secret.clone())
                    .with_clock(|| SystemTime::now() - MINTED_BEFORE);
                verifier.verify(headers).is_ok()
            }
            Self::Signature => expiry(headers).is_some_and(|expiry| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.is_ok_and(|now| now.as_secs() < expiry)
            }),
            Self::Role => false,
        }
    }
}

/// When a bearer token ends, by its own word.
fn expiry(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let payload = value.strip_prefix("Bearer ")?.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims["exp"].as_u64()
}
