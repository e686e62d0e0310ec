//! Minting, reading and forwarding of transaction tokens.

use std::sync::Arc;
use std::time::SystemTime;
use std::{env, fmt};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use civic_envelope::CorrelationId;
use http::{HeaderMap, HeaderValue};

use super::claims::{Broken, Claims, Context, MAX_LIFETIME_SECONDS, MAX_NAME_BYTES, SCOPE};
use super::on_behalf_of::OnBehalfOf;
use super::transaction::{TXN_TOKEN, Transaction};
use crate::clock::Clock;
use crate::correlation_id::new_correlation_id;
use crate::error::{AuthError, Cause, ConfigError, ConfigErrorKind};
use crate::jwt::compact::{self, MAX_TOKEN_BYTES};
use crate::jwt::{Compact, Header, TokenType};
use crate::key::{KeyRefresh, KeyRing, KeySet, KeySource, SigningKey, derived};
use crate::verify::{Principal, check_signature};

/// The context of the key derivation. It keeps the keys apart from those of access tokens.
const DERIVATION: &str = "civic txn-token v1";

/// The trust domain, unless `CIVIC_TRUST_DOMAIN` names another one.
const TRUST_DOMAIN: &str = "internal";

/// Mints, reads and forwards transaction tokens, for a guard.
///
/// Give it to [`AuthLayer::with_transactions`](crate::AuthLayer::with_transactions). Handlers then
/// see the user in [`Principal::on_behalf_of`], behind any number of services, and every call that
/// they make carries the user on.
///
/// With shared secrets every holder of a secret can mint a token for any user. With a
/// [key](Self::with_keys) only the services that admit users can.
#[derive(Clone)]
pub struct TransactionTokens {
    signer: Option<SigningKey>,
    keys: Arc<dyn KeySource>,
    service: Arc<str>,
    trust_domain: Arc<str>,
    clock: Clock,
}

impl TransactionTokens {
    /// Creates them with keys that are derived from the shared secrets (HKDF with SHA-256), so that
    /// no guard takes one for an access token. `service` is the name of this service.
    pub fn from_secrets(secrets: impl Into<KeyRing>, service: impl Into<Arc<str>>) -> Self {
        let secrets = secrets.into();
        let signer = derived(secrets.active(), DERIVATION).into();
        let keys: KeySet = secrets
            .iter()
            .map(|secret| derived(secret, DERIVATION).into())
            .collect();
        Self::with_keys(Some(signer), Arc::new(keys), service)
    }

    /// Creates them with keys that are used for nothing else. A service that admits no users needs
    /// no signing key.
    pub fn with_keys(
        signer: Option<SigningKey>,
        keys: impl KeySource + 'static,
        service: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            signer,
            keys: Arc::new(keys),
            service: service.into(),
            trust_domain: TRUST_DOMAIN.into(),
            clock: Clock::default(),
        }
    }

    /// Sets the trust domain: the claim `aud`, which is the same for all services that belong
    /// together.
    ///
    /// Defaults to `internal`.
    #[must_use]
    pub fn with_trust_domain(mut self, domain: impl Into<Arc<str>>) -> Self {
        self.trust_domain = domain.into();
        self
    }

    /// Sets the trust domain to that of the environment variable `CIVIC_TRUST_DOMAIN`, if it is
    /// set.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidTrustDomain`] if it is empty or not UTF-8.
    pub fn with_trust_domain_from_env(self) -> Result<Self, ConfigError> {
        match env::var("CIVIC_TRUST_DOMAIN") {
            Ok(domain) if !domain.is_empty() => Ok(self.with_trust_domain(domain)),
            Err(env::VarError::NotPresent) => Ok(self),
            Ok(_) | Err(env::VarError::NotUnicode(_)) => {
                Err(ConfigError::new(ConfigErrorKind::InvalidTrustDomain)
                    .in_variable("CIVIC_TRUST_DOMAIN"))
            }
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

    /// Adds to a principal for whom it calls, and returns what is to be forwarded.
    ///
    /// [`refusal`](Self::refusal) says how a request is refused for a cause.
    pub(crate) fn admit(
        &self,
        principal: &mut Principal,
        headers: &HeaderMap,
        correlation_id: Option<CorrelationId>,
    ) -> Result<Option<Transaction>, Cause> {
        if !principal.is_service() {
            // Beside a user's own token a transaction token says nothing.
            let id = correlation_id.unwrap_or_else(new_correlation_id);
            return Ok(self.mint(principal, &id));
        }
        let mut tokens = headers.get_all(TXN_TOKEN).iter();
        let Some(token) = tokens.next() else {
            return Ok(None);
        };
        if tokens.next().is_some() {
            return Err(Cause::InvalidTransaction);
        }
        let user = self.verify(token.as_bytes()).inspect_err(|cause| {
            tracing::debug!(cause = cause.as_str(), "transaction token refused");
        })?;
        let transaction = self.transaction(token.clone(), user.expires_at());
        principal.set_on_behalf_of(user);
        Ok(Some(transaction))
    }

    /// Mints a token for an admitted user.
    fn mint(&self, user: &Principal, id: &CorrelationId) -> Option<Transaction> {
        let signer = self.signer.as_ref()?;
        let now = self.clock.since_epoch()?.as_secs();
        let claims = Claims {
            iat: now,
            exp: user
                .expires_at()
                .min(now.saturating_add(MAX_LIFETIME_SECONDS)),
            aud: self.trust_domain.to_string(),
            txn: id.as_str().to_owned(),
            sub: user.user_id().to_owned(),
            scope: SCOPE.to_owned(),
            req_wl: self.service.to_string(),
            tctx: Context {
                role: user.role().as_str().to_owned(),
                municipality: user.municipality_id().map(str::to_owned),
                name: shortened(user.name()),
            },
        };
        let algorithm = signer.algorithm();
        let header = match signer.id() {
            None => format!(r#"{{"alg":"{algorithm}","typ":"txntoken+jwt"}}"#),
            Some(id) => format!(r#"{{"alg":"{algorithm}","typ":"txntoken+jwt","kid":"{id}"}}"#),
        };
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut token);
        let signature = signer.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN_BYTES {
            tracing::warn!(
                "the transaction token of a user is longer than {MAX_TOKEN_BYTES} bytes, because \
                 the user's id or municipality is very long: no call can be made for this user"
            );
            return Some(self.transaction(HeaderValue::from_static(""), 0));
        }
        let header = HeaderValue::from_str(&token).ok()?;
        Some(self.transaction(header, claims.exp))
    }

    fn verify(&self, token: &[u8]) -> Result<OnBehalfOf, Cause> {
        compact::check_size(token)?;
        let token = Compact::split(token)?;
        let header = Header::read(token.header, TokenType::Transaction)?;
        let keys = self.keys.current().ok_or(Cause::KeysUnavailable)?;
        check_signature(&keys, &token, &header)?;
        let claims: Claims = compact::decode_text(token.claims)
            .and_then(|json| serde_json::from_str(&json).ok())
            .ok_or(Cause::MalformedClaims)?;
        // With a clock that stands before 1970 every token has expired.
        let now = self
            .clock
            .since_epoch()
            .map_or(u64::MAX, |now| now.as_secs());
        match claims.check(&self.trust_domain, now) {
            Ok(()) => Ok(claims.into()),
            Err(Broken::Expired) => Err(Cause::ExpiredTransaction),
            Err(Broken::Other) => Err(Cause::MalformedClaims),
        }
    }

    /// Returns how a request is refused whose transaction token is refused for this cause.
    pub(crate) fn refusal(cause: Cause) -> AuthError {
        match cause {
            Cause::KeysUnavailable | Cause::ExpiredTransaction => cause,
            _ => Cause::InvalidTransaction,
        }
        .into()
    }

    /// Looks for newer keys, if they could change this refusal.
    pub(crate) fn refresh_keys(&self, cause: Cause) -> Option<KeyRefresh> {
        match cause {
            Cause::UnknownKey | Cause::WrongAlgorithm | Cause::KeysUnavailable => {
                self.keys.refresh()
            }
            _ => None,
        }
    }

    fn transaction(&self, mut header: HeaderValue, expires_at: u64) -> Transaction {
        header.set_sensitive(true);
        Transaction {
            header,
            expires_at,
            clock: self.clock.clone(),
        }
    }
}

/// Cuts a name to what is passed on.
fn shortened(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned()
}

impl fmt::Debug for TransactionTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionTokens")
            .field("service", &self.service)
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}
