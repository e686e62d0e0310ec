//! The minter: a new token for each call, byte for byte the platform's.
//!
//! [`TokenMinter::mint`] makes what npm `jsonwebtoken` 9 makes for the same second and secret:
//! header `{"alg":"HS256","typ":"JWT"}`, then `userId`, `email`, `role`, `municipalityId`, `name`,
//! `iat` and `exp` in this order, with `exp` 30 seconds after `iat`. The lifetime of a token cannot
//! be extended. Make a new token for each attempt, which costs about a microsecond.
//!
//! The bytes are assembled here, because another library's serialiser would put `typ` before `alg`.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{SERVICE_CLAIMS_BEFORE_IAT, SERVICE_LIFETIME_SECONDS, UserClaims};
use super::token::{BEARER, Token};
use crate::clock::Clock;
use crate::key::{KeyRing, Secret, SigningKey};

/// The number of bytes of the claims that are encoded once, when the minter is made: base64url
/// turns three bytes into four characters.
const CONSTANT_CLAIMS: usize = SERVICE_CLAIMS_BEFORE_IAT.len() / 3 * 3;

/// The length of a signature and the dot before it.
const SIGNATURE_CHARACTERS: usize = 44;

/// Mints tokens with the active key of a [`KeyRing`].
///
/// Cloning it is cheap.
#[derive(Clone)]
#[doc(alias = "createInternalHeaders")]
pub struct TokenMinter {
    signer: Arc<Signer>,
    clock: Clock,
}

/// A key, and the parts of a token that are the same for every token of the key.
struct Signer {
    key: SigningKey,
    /// Holds `Bearer <header>.`, the start of a user token.
    header: String,
    /// Holds `Bearer <header>.` and the constant part of a service token's claims, encoded.
    service: String,
}

impl TokenMinter {
    /// Creates a minter that uses the active key of `keys`.
    pub fn new(keys: impl Into<KeyRing>) -> Self {
        Self {
            signer: Arc::new(Signer::new(keys.into().active())),
            clock: Clock::default(),
        }
    }

    /// Sets where the time comes from.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(clock);
        self
    }

    /// Mints a service token, which lives for 30 seconds from the present second.
    #[must_use]
    pub fn mint(&self) -> Token {
        let iat = self.clock.since_epoch().unwrap_or_default().as_secs();
        let exp = iat.saturating_add(SERVICE_LIFETIME_SECONDS);
        let mut claims = String::with_capacity(64);
        claims.push_str(&SERVICE_CLAIMS_BEFORE_IAT[CONSTANT_CLAIMS..]);
        write!(claims, "{iat},\"exp\":{exp}}}").expect("writing to a String cannot fail");
        self.signer.sign(&self.signer.service, claims.as_bytes())
    }

    /// Mints a user token, for tests and for operators.
    ///
    /// The lifetime is counted in whole seconds. Every guard of this crate refuses a token for
    /// [`Role::ServiceAccount`](crate::Role::ServiceAccount) that was made in this way: use
    /// [`mint`](Self::mint) for services.
    #[must_use]
    pub fn mint_for(&self, user: &UserClaims, lifetime: Duration) -> Token {
        let iat = self.clock.since_epoch().unwrap_or_default().as_secs();
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
            // JSON does not escape any character of a key id.
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

    /// Appends `claims` and the signature to `start`, which is already encoded.
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
