//! The minter: a token a call, byte for byte the platform's.
//!
//! [`TokenMinter::mint`] makes what npm `jsonwebtoken` 9 makes for the same second and secret:
//! header `{"alg":"HS256","typ":"JWT"}`, then `userId`, `email`, `role`, `municipalityId`, `name`,
//! `iat` and `exp` in this order, `exp` 30 seconds after `iat`. Nothing about a token can be prolonged;
//! make a new one for each attempt, which costs about a microsecond.
//!
//! The bytes are put together here: a serialiser of another library would put `typ` before `alg`.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{SERVICE_CLAIMS_BEFORE_IAT, SERVICE_LIFETIME_SECONDS, UserClaims};
use super::token::{BEARER, Token};
use crate::clock::{Clock, SharedClock};
use crate::key::{KeyRing, Secret, SigningKey};

/// Base64url turns three bytes into four characters, so this much of the claims is encoded once and for all.
const CONSTANT_CLAIMS: usize = SERVICE_CLAIMS_BEFORE_IAT.len() / 3 * 3;

/// A 43-character signature and its dot.
const SIGNATURE_CHARACTERS: usize = 44;

/// Mints tokens with the active key of a [`KeyRing`]. Cheap to clone.
#[derive(Clone)]
#[doc(alias = "createInternalHeaders")]
pub struct TokenMinter {
    signer: Arc<Signer>,
    clock: SharedClock,
}

struct Signer {
    key: SigningKey,
    /// `Bearer <header>.`
    header: String,
    /// `Bearer <header>.<the constant part of a service token's claims>`
    service: String,
}

impl TokenMinter {
    /// A minter that uses the active key of `keys` and the machine's clock.
    pub fn new(keys: impl Into<KeyRing>) -> Self {
        Self {
            signer: Arc::new(Signer::new(keys.into().active())),
            clock: SharedClock::default(),
        }
    }

    /// Takes the time from `clock`.
    ///
    /// Defaults to [`SystemClock`](crate::SystemClock).
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// A service token of the present second. It lives for 30 seconds.
    #[must_use]
    pub fn mint(&self) -> Token {
        let iat = self.clock.since_epoch().as_secs();
        let exp = iat.saturating_add(SERVICE_LIFETIME_SECONDS);
        let mut claims = String::with_capacity(64);
        claims.push_str(&SERVICE_CLAIMS_BEFORE_IAT[CONSTANT_CLAIMS..]);
        write!(claims, "{iat},\"exp\":{exp}}}").expect("writing to a String cannot fail");
        self.signer.sign(&self.signer.service, claims.as_bytes())
    }

    /// A user token, for tests and for operators.
    ///
    /// The lifetime is counted in whole seconds. A token for [`Role::ServiceAccount`](crate::Role::ServiceAccount)
    /// made in this way is refused by every guard of this crate: [`mint`](Self::mint) makes those.
    #[must_use]
    pub fn mint_for(&self, user: &UserClaims, lifetime: Duration) -> Token {
        let iat = self.clock.since_epoch().as_secs();
        let exp = iat.saturating_add(lifetime.as_secs());
        self.signer
            .sign(&self.signer.header, user.to_json(iat, exp).as_bytes())
    }
}

impl fmt::Debug for TokenMinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenMinter([redacted])")
    }
}

impl Signer {
    fn new(secret: &Secret) -> Self {
        let header = match secret.id() {
            None => r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
            // A key id consists of characters that JSON need not escape.
            Some(id) => format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#),
        };
        let mut bearer = BEARER.to_owned();
        URL_SAFE_NO_PAD.encode_string(header, &mut bearer);
        bearer.push('.');
        let mut service = bearer.clone();
        URL_SAFE_NO_PAD.encode_string(&SERVICE_CLAIMS_BEFORE_IAT[..CONSTANT_CLAIMS], &mut service);
        Self {
            key: SigningKey::new(secret),
            header: bearer,
            service,
        }
    }

    /// Appends `claims` and the signature to `start`, which is encoded already.
    fn sign(&self, start: &str, claims: &[u8]) -> Token {
        let mut bearer = String::with_capacity(
            start.len() + claims.len().div_ceil(3) * 4 + SIGNATURE_CHARACTERS,
        );
        bearer.push_str(start);
        URL_SAFE_NO_PAD.encode_string(claims, &mut bearer);
        let signature = self.key.sign(&bearer.as_bytes()[BEARER.len()..]);
        bearer.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut bearer);
        Token::from_bearer(bearer)
    }
}
