//! The verifier: which requests come in.
//!
//! [`TokenVerifier::verify`] is a plain function of the request's headers and the clock. It checks
//! these rules in this order and stops at the first one that is broken:
//!
//! 1. **Source**: one token, from the `Authorization` header or the cookie (see `source`), and not
//!    from a cookie that another site's page has sent along (see `cookie`).
//! 2. **Size**: at most 4096 bytes.
//! 3. **Shape**: three parts, none empty, every character in the base64url alphabet.
//! 4. **Header**: `alg` is `HS256`, `typ` is absent, `JWT` or `at+jwt`, `kid` is absent or in the
//!    ring; no member that would have to be understood, no duplicates.
//! 5. **Signature**: made by a key of the ring; compared in constant time.
//! 6. **Claims**: parsed once, only now; no duplicate members (see `jwt::payload`).
//! 7. **Profile**: wholly a service or wholly a user (see `rules`).
//! 8. **Time**: `exp`, `nbf`, `iat` (see `rules`).
//!
//! Nothing that a peer sends causes a panic. Verifying allocates no more than a few times the size
//! of a token of 4096 bytes.
//!
//! It is not promised that a token is used only once, that it was meant for this service, or which
//! service minted it: every holder of the secret can mint for all services. No result is cached,
//! because the tokens of services never repeat.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Request, Uri};

use super::cookie::CookieRules;
use super::principal::Principal;
use super::rules::{CLAIM_RULES, Evidence, MAX_SKEW};
use super::source::{self, Source};
use crate::clock::Clock;
use crate::error::{AuthError, Cause, ConfigError, ConfigErrorKind};
use crate::jwt::{Compact, Header, Payload, compact};
use crate::key::{KeyRing, VerifyingKey};

/// Verifies tokens against all keys of a [`KeyRing`].
///
/// The rules are listed in the [crate's documentation](crate#who-may-come-in). Cloning it is cheap.
#[derive(Clone)]
#[doc(alias = "AuthGuard")]
pub struct TokenVerifier {
    keys: Arc<[(Option<String>, VerifyingKey)]>,
    clock: Clock,
    skew: Duration,
    cookie: CookieRules,
}

impl TokenVerifier {
    /// Creates a verifier that accepts the tokens of every key of `keys`.
    pub fn new(keys: impl Into<KeyRing>) -> Self {
        let keys: KeyRing = keys.into();
        Self {
            keys: keys
                .iter()
                .map(|secret| (secret.id().map(str::to_owned), VerifyingKey::new(secret)))
                .collect(),
            clock: Clock::default(),
            skew: Duration::ZERO,
            cookie: CookieRules::default(),
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

    /// Sets how much the clocks of caller and callee may differ.
    ///
    /// Defaults to zero, which is Node's rule: a token expires at `exp`, not a second later.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::SkewTooLong`] if `skew` is more than 30 seconds.
    pub fn with_skew(mut self, skew: Duration) -> Result<Self, ConfigError> {
        if skew > MAX_SKEW {
            return Err(ConfigError::new(ConfigErrorKind::SkewTooLong));
        }
        self.skew = skew;
        Ok(self)
    }

    /// Sets the cookie from which a user's token is taken, and for which requests it counts.
    ///
    /// Defaults to `app_access_token` with every method, and to refusing a request from another
    /// site's page that could change something.
    #[must_use]
    pub fn with_cookie(mut self, rules: CookieRules) -> Self {
        self.cookie = rules;
        self
    }

    /// Returns who sent this request.
    ///
    /// # Errors
    ///
    /// [`AuthError`] with the first rule that is broken. The peer must be told no more of it than
    /// [`AuthError::into_response`] says.
    pub fn verify_request<B>(&self, request: &Request<B>) -> Result<Principal, AuthError> {
        let (method, headers) = (request.method(), request.headers());
        let (token, source) = source::find(headers, self.cookie.name_for(method))?;
        if source == Source::Cookie && self.cookie.refuses(method, request.uri(), headers) {
            return Err(Cause::CrossSite.into());
        }
        self.verify_token(token, source)
    }

    /// Returns who sent a request with these headers, as [`verify_request`](Self::verify_request)
    /// does for a `POST`.
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
    /// [`AuthError`] with the first rule that is broken. The peer must be told no more of it than
    /// [`AuthError::into_response`] says.
    pub fn verify(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        let (method, uri) = (&Method::POST, &Uri::default());
        let (token, source) = source::find(headers, self.cookie.name_for(method))?;
        if source == Source::Cookie && self.cookie.refuses(method, uri, headers) {
            return Err(Cause::CrossSite.into());
        }
        self.verify_token(token, source)
    }

    fn verify_token(&self, token: &[u8], source: Source) -> Result<Principal, AuthError> {
        compact::check_size(token)?;
        let token = Compact::split(token)?;
        let header = Header::read(token.header)?;
        self.check_signature(&token, &header)?;
        let payload = compact::decode_text(token.claims)
            .and_then(|json| Payload::parse(&json).ok())
            .ok_or(Cause::MalformedClaims)?;
        let evidence = self.evidence(payload, source);
        for rule in &CLAIM_RULES {
            (rule.check)(&evidence)?;
        }
        Ok(Principal::from(evidence.payload))
    }

    /// Checks that a key made the signature: of the keys of the id that the header names and those
    /// without an id, or of all keys if it names none.
    pub(super) fn check_signature(
        &self,
        token: &Compact<'_>,
        header: &Header,
    ) -> Result<(), Cause> {
        let named = header.key_id.as_deref();
        let mut candidates = self
            .keys
            .iter()
            .filter(|(id, _)| named.is_none() || id.is_none() || id.as_deref() == named)
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

    /// Returns the time since 1970. With a clock that stands before 1970 every token has expired.
    pub(crate) fn now(&self) -> Duration {
        self.clock.since_epoch().unwrap_or(Duration::MAX)
    }

    /// Returns what the rules about claims look at, at the present time.
    pub(super) fn evidence(&self, payload: Payload, source: Source) -> Evidence {
        Evidence {
            payload,
            source,
            now: self.now(),
            skew: self.skew,
        }
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
