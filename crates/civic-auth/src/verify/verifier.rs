//! The verifier: which requests come in.
//!
//! [`TokenVerifier::verify`] is a plain function of the request's headers and the clock. It checks
//! these rules in this order and stops at the first one that is broken:
//!
//! 1. **Source**: one token, from the `Authorization` header or the cookie (see `source`), and not
//!    from a cookie that another site's page has sent along (see `cookie`).
//! 2. **Size**: at most 4096 bytes.
//! 3. **Shape**: three parts, none empty, every character in the base64url alphabet.
//! 4. **Header**: `alg` is that of a key, `typ` is absent, `JWT` or `at+jwt`, `kid` is absent or in
//!    the ring; no member that would have to be understood, no duplicates.
//! 5. **Signature**: made by a key of the ring; compared in constant time.
//! 6. **Claims**: parsed once, only now; no duplicate members (see `jwt::payload`).
//! 7. **Profile**: wholly a service or wholly a user (see `rules`).
//! 8. **Time**: `exp`, `nbf`, `iat` (see `rules`).
//! 9. **Names**: `iss` and the profile are what the key may speak for; `aud` names this service, if
//!    it has a name.
//!
//! Nothing that a peer sends causes a panic. Verifying allocates no more than a few times the size
//! of a token of 4096 bytes.
//!
//! It is not promised that a token is used only once: see `replay`. With a shared secret it is not
//! promised either which service minted a token: every holder of the secret can mint for all. No
//! result is cached, because the tokens of services never repeat.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, Request, Uri};

use super::cookie::CookieRules;
use super::principal::Principal;
use super::rules::{CLAIM_RULES, Evidence, MAX_SKEW, Names, Presence};
use super::source::{self, Source};
use crate::clock::Clock;
use crate::error::{AuthError, Cause, ConfigError, ConfigErrorKind};
use crate::jwt::compact::{self, Signature};
use crate::jwt::{Compact, Header, Payload, TokenType, claims};
use crate::key::{KeyRefresh, KeySet, KeySource, VerifyingKey};

/// Verifies tokens against the keys of a [`KeySet`] or a [`KeySource`].
///
/// The rules are listed in the [crate's documentation](crate#who-may-come-in). Cloning it is cheap.
#[derive(Clone)]
#[doc(alias = "AuthGuard")]
pub struct TokenVerifier {
    keys: Arc<dyn KeySource>,
    clock: Clock,
    skew: Duration,
    cookie: CookieRules,
    names: Names,
}

impl TokenVerifier {
    /// Creates a verifier that accepts the tokens of every key of `keys`.
    pub fn new(keys: impl Into<KeySet>) -> Self {
        Self::from_source(Arc::new(keys.into()))
    }

    /// Creates a verifier whose keys may change while it is used.
    pub fn from_source(keys: impl KeySource + 'static) -> Self {
        Self {
            keys: Arc::new(keys),
            clock: Clock::default(),
            skew: Duration::ZERO,
            cookie: CookieRules::default(),
            names: Names::default(),
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

    /// Sets the name of the service that verifies. A token whose `aud` does not have it is refused.
    ///
    /// Defaults to none: `aud` is not looked at.
    #[must_use]
    pub fn with_service_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.names.service = Some(name.into());
        self
    }

    /// Refuses a token without `aud`, once the service has a [name](Self::with_service_name).
    ///
    /// Switch it on when every caller mints with [`TokenMinter::for_audience`]. Node services do
    /// not.
    ///
    /// Defaults to accepting it.
    ///
    /// [`TokenMinter::for_audience`]: crate::TokenMinter::for_audience
    #[must_use]
    pub fn require_audience(mut self) -> Self {
        self.names.audience = Presence::Required;
        self
    }

    /// Refuses a token without `iss`.
    ///
    /// Switch it on when every caller mints with [`TokenMinter::with_issuer`]. Node services do
    /// not.
    ///
    /// Defaults to accepting it, unless the key is
    /// [bound to an issuer](crate::VerifyingKey::issued_by).
    ///
    /// [`TokenMinter::with_issuer`]: crate::TokenMinter::with_issuer
    #[must_use]
    pub fn require_issuer(mut self) -> Self {
        self.names.issuer = Presence::Required;
        self
    }

    /// Refuses a service token without `jti`.
    ///
    /// Switch it on when every caller mints with [`TokenMinter::with_token_ids`]. Node services do
    /// not. A user's token needs none: it comes with every request of the user.
    ///
    /// That each is used only once is [another setting](crate::AuthLayer::with_replay_protection).
    ///
    /// Defaults to accepting it.
    ///
    /// [`TokenMinter::with_token_ids`]: crate::TokenMinter::with_token_ids
    #[must_use]
    pub fn require_token_id(mut self) -> Self {
        self.names.token_id = Presence::Required;
        self
    }

    /// Returns the present keys. [`VerifyingKey::uses`] says of each how many tokens it has
    /// verified: a key that is not used any more can be removed.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.current()
    }

    /// Looks for newer keys, if they could change this refusal: the token names a key that is not
    /// among the present ones, or there are none.
    ///
    /// Await it, and verify the request once more. [`AuthLayer`](crate::AuthLayer) does so. `None`
    /// says that the refusal stands; see [`KeySource::refresh`].
    #[must_use]
    pub fn refresh_keys(&self, refusal: AuthError) -> Option<KeyRefresh> {
        match refusal.cause() {
            Cause::UnknownKey | Cause::WrongAlgorithm | Cause::KeysUnavailable => {
                self.keys.refresh()
            }
            _ => None,
        }
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
        let header = Header::read(token.header, TokenType::Access)?;
        let keys = self.keys.current().ok_or(Cause::KeysUnavailable)?;
        let key = check_signature(&keys, &token, &header)?;
        let payload = claims::read(token.claims).ok_or(Cause::MalformedClaims)?;
        let evidence = self.evidence(payload, source, Some(key.clone()));
        for rule in &CLAIM_RULES {
            (rule.check)(&evidence)?;
        }
        key.count_use();
        Ok(Principal::new(evidence.payload, key))
    }

    /// Returns the time since 1970. With a clock that stands before 1970 every token has expired.
    pub(crate) fn now(&self) -> Duration {
        self.clock.since_epoch().unwrap_or(Duration::MAX)
    }

    /// Returns when this verifier stops to accept the token of this caller.
    pub(crate) fn accepts_until(&self, principal: &Principal) -> SystemTime {
        // A time that every platform can represent. No service token lives that long.
        const YEAR_10000: u64 = 253_402_300_800;
        let expires_at = Duration::from_secs(principal.expires_at().min(YEAR_10000));
        UNIX_EPOCH + expires_at + self.skew
    }

    /// Returns what the rules about claims look at, at the present time.
    pub(super) fn evidence(
        &self,
        payload: Payload,
        source: Source,
        key: Option<VerifyingKey>,
    ) -> Evidence {
        Evidence {
            payload,
            source,
            now: self.now(),
            skew: self.skew,
            key,
            names: self.names.clone(),
        }
    }
}

/// Returns the key that made the signature. Those of the id that the header names and those without
/// an id are tried, or all keys if it names none; and of these, those of the header's algorithm.
pub(crate) fn check_signature<'k>(
    keys: &'k KeySet,
    token: &Compact<'_>,
    header: &Header,
) -> Result<&'k VerifyingKey, Cause> {
    let named = header.key_id.as_deref();
    let fits = |key: &&VerifyingKey| {
        header
            .algorithm
            .is_none_or(|named| named == key.algorithm())
    };
    let refused = |cause| keys.refusal(cause);
    if !keys.iter().any(|key| fits(&key)) {
        return Err(refused(Cause::WrongAlgorithm));
    }
    let mut candidates = keys
        .iter()
        .filter(fits)
        .filter(|key| named.is_none() || key.id().is_none() || key.id() == named)
        .peekable();
    if candidates.peek().is_none() {
        return Err(refused(Cause::UnknownKey));
    }
    let signature = Signature::decode(token.signature).ok_or(Cause::WrongSignature)?;
    let message = token.signed.as_bytes();
    candidates
        .find(|key| key.verify(message, signature.as_bytes()))
        .ok_or_else(|| refused(Cause::WrongSignature))
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("keys", &self.keys.current())
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}
