//! The verifier: who may come in.
//!
//! [`TokenVerifier::verify`] is a plain function of the request's headers and the clock. In this order,
//! the first rule that is broken ends it:
//!
//! 1. **Source**: one token, from the `Authorization` header or the cookie (see `source`).
//! 2. **Size**: at most 4096 bytes.
//! 3. **Shape**: three parts, none empty, every character in the base64url alphabet.
//! 4. **Header**: `alg` is `HS256`, `typ` is absent or `JWT`, `kid` is absent or in the ring, nothing
//!    else is there, nothing is there twice.
//! 5. **Signature**: made by a key of the ring; compared in constant time.
//! 6. **Claims**: parsed once, only now; no member twice (see `payload`).
//! 7. **Profile**: wholly a service or wholly a user (see `rules`).
//! 8. **Time**: `exp`, `nbf`, `iat` (see `rules`).
//!
//! Nothing that a peer sends makes it panic, and it allocates no more than a few times the size of a
//! token of 4096 bytes.
//!
//! Not promised: that a token is used only once, that it was meant for this service, or which service
//! minted it. Every holder of the secret can mint for all of them. No result is cached: the tokens of
//! services never repeat.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::principal::Principal;
use super::{rules, source};
use crate::clock::{Clock, SharedClock};
use crate::error::{AuthError, Cause, ConfigError, ConfigErrorKind};
use crate::jwt::{Compact, Header, Payload, compact};
use crate::key::{KeyRing, VerifyingKey};

/// Verifies tokens against all keys of a [`KeyRing`]. Cheap to clone.
///
/// See the [list of rules](crate#who-may-come-in).
#[derive(Clone)]
#[doc(alias = "AuthGuard")]
pub struct TokenVerifier {
    keys: Arc<[(Option<String>, VerifyingKey)]>,
    clock: SharedClock,
    skew: Duration,
}

impl TokenVerifier {
    /// A verifier that accepts tokens of every key of `keys`.
    pub fn new(keys: impl Into<KeyRing>) -> Self {
        let keys: KeyRing = keys.into();
        Self {
            keys: keys
                .iter()
                .map(|secret| (secret.id().map(str::to_owned), VerifyingKey::new(secret)))
                .collect(),
            clock: SharedClock::default(),
            skew: Duration::ZERO,
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

    /// Tolerates clocks that differ by this much.
    ///
    /// Defaults to zero, which is Node's rule: a token is dead at `exp`, not a second later.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::SkewTooLong`] beyond 30 seconds.
    pub fn with_skew(mut self, skew: Duration) -> Result<Self, ConfigError> {
        if skew > rules::MAX_SKEW {
            return Err(ConfigError::new(ConfigErrorKind::SkewTooLong));
        }
        self.skew = skew;
        Ok(self)
    }

    /// Who sent a request with these headers.
    ///
    /// ```
    /// use civic_auth::{Role, Secret, TokenMinter, TokenVerifier, internal_headers};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = Secret::new("0123456789abcdef0123456789abcdef")?;
    /// let headers = internal_headers(&TokenMinter::new(secret.clone()), None);
    /// let principal = TokenVerifier::new(secret).verify(&headers)?;
    /// assert!(principal.is_service());
    /// assert_eq!(principal.role().known(), Some(Role::ServiceAccount));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Why nobody may come in. What the peer is told of it is in [`AuthError::into_response`].
    pub fn verify(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        let (token, source) = source::find(headers)?;
        compact::check_size(token)?;
        let token = Compact::split(token)?;
        let header = Header::read(token.header)?;
        self.check_signature(&token, &header)?;
        let payload = compact::decode_text(token.claims)
            .and_then(|json| Payload::parse(&json).ok())
            .ok_or(Cause::MalformedClaims)?;
        rules::profile(&payload)?;
        rules::source(&payload, source)?;
        rules::lifetime(&payload)?;
        let now = self.now();
        rules::expiry(&payload, now, self.skew)?;
        rules::not_before(&payload, now, self.skew)?;
        rules::issued_at(&payload, now, self.skew)?;
        Ok(Principal::from(payload))
    }

    /// The signature is that of the key that the header names, or of any key if it names none.
    pub(crate) fn check_signature(
        &self,
        token: &Compact<'_>,
        header: &Header,
    ) -> Result<(), Cause> {
        let named = header.key_id.as_deref();
        let mut candidates = self
            .keys
            .iter()
            .filter(|(id, _)| named.is_none() || id.as_deref() == named)
            .peekable();
        if candidates.peek().is_none() {
            return Err(Cause::UnknownKey);
        }
        let signature = compact::decode(token.signature).ok_or(Cause::WrongSignature)?;
        let message = token.signed.as_bytes();
        if candidates.any(|(_, key)| key.verify(message, &signature)) {
            Ok(())
        } else {
            Err(Cause::WrongSignature)
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.since_epoch()
    }

    pub(crate) fn skew(&self) -> Duration {
        self.skew
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("keys", &format_args!("[redacted; {}]", self.keys.len()))
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}
