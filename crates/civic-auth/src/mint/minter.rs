//! The minter: a token for each call, byte for byte the platform's.
//!
//! [`TokenMinter::mint`] makes what npm `jsonwebtoken` 9 makes for the same second and secret:
//! header `{"alg":"HS256","typ":"JWT"}`, then `userId`, `email`, `role`, `municipalityId`, `name`,
//! `iat` and `exp` in this order, with `exp` 30 seconds after `iat`. The lifetime of a token cannot
//! be extended. Mint for each attempt, which costs about a microsecond, and a tenth of that where a
//! token of the same second is there: both would be the same bytes. Tokens with an id are always
//! new.
//!
//! The bytes are assembled here, because another library's serialiser would put `typ` before `alg`.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::claims::{
    CONSTANT_CLAIMS, SERVICE_CLAIMS_BEFORE_IAT, SERVICE_LIFETIME_SECONDS, UserClaims,
};
use super::token::{BEARER, Token};
use crate::clock::Clock;
use crate::key::SigningKey;

/// The length of the longest signature, with the padding that is cut off, and the dot before it.
const SIGNATURE_CHARACTERS: usize = 89;

/// Mints tokens with a [`SigningKey`].
///
/// Cloning it is cheap, and clones [change the key](Self::replace_key) together.
#[derive(Clone)]
#[doc(alias = "createInternalHeaders")]
pub struct TokenMinter {
    signer: Arc<RwLock<Arc<Signer>>>,
    clock: Clock,
    issuer: Option<Arc<str>>,
    audience: Option<Arc<str>>,
    token_ids: TokenIds,
    /// The last service token with these claims.
    last: Arc<Mutex<Option<Minted>>>,
}

/// A service token that may be used again.
struct Minted {
    iat: u64,
    /// The number of its signer.
    signer: u64,
    token: Token,
}

/// Whether tokens have a `jti`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TokenIds {
    None,
    Random,
}

/// A key, and the parts of a token that are the same for every token of the key.
struct Signer {
    /// No other signer of this process has it.
    number: u64,
    key: SigningKey,
    /// Holds `Bearer <header>.`, the start of a user token.
    header: String,
    /// Holds `Bearer <header>.` and the constant part of a service token's claims, encoded.
    service: String,
}

impl TokenMinter {
    /// Creates a minter that uses this key: a [`SigningKey`], a [`Secret`](crate::Secret), or the
    /// active key of a [`KeyRing`](crate::KeyRing).
    ///
    /// Node services verify HS256 only, so a minter for calls to them needs a shared secret.
    pub fn new(key: impl Into<SigningKey>) -> Self {
        Self {
            signer: Arc::new(RwLock::new(Arc::new(Signer::new(key.into())))),
            clock: Clock::default(),
            issuer: None,
            audience: None,
            token_ids: TokenIds::None,
            last: Arc::default(),
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

    /// Sets the name of the service that mints: the claim `iss`. Node services ignore it.
    ///
    /// Defaults to none: the token has the platform's bytes.
    #[must_use]
    pub fn with_issuer(mut self, name: impl Into<Arc<str>>) -> Self {
        self.issuer = Some(name.into());
        self.last = Arc::default();
        self
    }

    /// Gives each token an id: the claim `jti`, a random UUID. Node services ignore it.
    ///
    /// Defaults to none: the token has the platform's bytes.
    #[must_use]
    pub fn with_token_ids(mut self) -> Self {
        self.token_ids = TokenIds::Random;
        self.last = Arc::default();
        self
    }

    /// Returns a minter whose tokens are for this service only: the claim `aud`. It shares the key
    /// with this one. Give each client the minter for its target. Node services ignore the claim.
    ///
    /// Defaults to none: the token has the platform's bytes.
    #[must_use]
    pub fn for_audience(&self, service: impl Into<Arc<str>>) -> Self {
        Self {
            audience: Some(service.into()),
            last: Arc::default(),
            ..self.clone()
        }
    }

    /// Mints with another key from now on, without a restart. All clones do.
    pub fn replace_key(&self, key: impl Into<SigningKey>) {
        let signer = Arc::new(Signer::new(key.into()));
        tracing::info!(
            algorithm = signer.key.algorithm().as_str(),
            key_id = signer.key.id(),
            "tokens are minted with another key from now on"
        );
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
    }

    /// Mints a service token, which lives for 30 seconds from the present second.
    #[must_use]
    pub fn mint(&self) -> Token {
        let iat = self.clock.since_epoch().unwrap_or_default().as_secs();
        let signer = self.signer();
        if self.token_ids == TokenIds::Random {
            return self.mint_service(iat, &signer);
        }
        // Where another thread is minting, it is not waited for.
        let Ok(mut last) = self.last.try_lock() else {
            return self.mint_service(iat, &signer);
        };
        if let Some(minted) = &*last
            && minted.iat == iat
            && minted.signer == signer.number
        {
            return minted.token.clone();
        }
        let token = self.mint_service(iat, &signer);
        *last = Some(Minted {
            iat,
            signer: signer.number,
            token: token.clone(),
        });
        token
    }

    fn mint_service(&self, iat: u64, signer: &Signer) -> Token {
        let exp = iat.saturating_add(SERVICE_LIFETIME_SECONDS);
        let mut claims = String::with_capacity(64);
        claims.push_str(&SERVICE_CLAIMS_BEFORE_IAT[CONSTANT_CLAIMS..]);
        push_number(&mut claims, iat);
        claims.push_str(",\"exp\":");
        push_number(&mut claims, exp);
        self.finish(&mut claims);
        signer.sign(&signer.service, claims.as_bytes())
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
        let mut claims = user.to_json(iat, exp);
        claims.pop();
        self.finish(&mut claims);
        let signer = self.signer();
        signer.sign(&signer.header, claims.as_bytes())
    }

    fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the claims that Node ignores, and the closing brace.
    fn finish(&self, claims: &mut String) {
        for (name, value) in [("iss", &self.issuer), ("aud", &self.audience)] {
            if let Some(value) = value {
                let value = serde_json::to_string(&**value).expect("a string is always JSON");
                write!(claims, ",\"{name}\":{value}").expect("writing to a String cannot fail");
            }
        }
        if self.token_ids == TokenIds::Random {
            write!(claims, ",\"jti\":\"{}\"", Uuid::new_v4())
                .expect("writing to a String cannot fail");
        }
        claims.push('}');
    }
}

impl fmt::Debug for TokenMinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenMinter([redacted])")
    }
}

impl Signer {
    fn new(key: SigningKey) -> Self {
        static SIGNERS: AtomicU64 = AtomicU64::new(0);
        let algorithm = key.algorithm();
        let header = match key.id() {
            None => format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#),
            // JSON does not escape any character of a key id.
            Some(id) => format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{id}"}}"#),
        };
        let mut bearer = BEARER.to_owned();
        URL_SAFE_NO_PAD.encode_string(header, &mut bearer);
        bearer.push('.');
        let mut service = bearer.clone();
        URL_SAFE_NO_PAD.encode_string(&SERVICE_CLAIMS_BEFORE_IAT[..CONSTANT_CLAIMS], &mut service);
        Self {
            number: SIGNERS.fetch_add(1, Ordering::Relaxed),
            key,
            header: bearer,
            service,
        }
    }

    /// Appends `claims` and the signature to `start`, which is already encoded.
    fn sign(&self, start: &str, claims: &[u8]) -> Token {
        let mut bearer =
            Vec::with_capacity(start.len() + claims.len().div_ceil(3) * 4 + SIGNATURE_CHARACTERS);
        bearer.extend_from_slice(start.as_bytes());
        push_base64(&mut bearer, claims);
        let signature = self.key.sign(&bearer[BEARER.len()..]);
        bearer.push(b'.');
        push_base64(&mut bearer, signature.as_ref());
        Token::from_bearer(bearer)
    }
}

/// Appends bytes in base64url, in half of the time that `encode_string` takes for so few.
fn push_base64(text: &mut Vec<u8>, bytes: &[u8]) {
    let start = text.len();
    text.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = URL_SAFE_NO_PAD
        .encode_slice(bytes, &mut text[start..])
        .expect("there is room for it");
    text.truncate(start + written);
}

/// Appends a number, in a third of the time that `write!` takes.
fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.push_str(str::from_utf8(&digits[start..]).expect("digits are text"));
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::key::Secret;

    #[test]
    fn a_token_is_used_again_only_for_the_same_second_key_and_claims() {
        let key = |text| Secret::new(text).unwrap();
        let second = Arc::new(AtomicU64::new(1_764_187_200));
        let clock = Arc::clone(&second);
        let minter = TokenMinter::new(key("0123456789abcdef0123456789abcdef"))
            .with_clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
        let text = |minter: &TokenMinter| minter.mint().as_str().to_owned();
        let first = text(&minter);
        assert_eq!(text(&minter), first);
        let others = [
            minter.for_audience("billing"),
            minter.for_audience("roll"),
            minter.clone().with_issuer("billing"),
            minter.clone().with_issuer("roll"),
        ];
        let mut seen = vec![first.clone()];
        for other in &others {
            let token = text(other);
            assert!(!seen.contains(&token));
            assert_eq!(text(other), token);
            seen.push(token);
        }
        let with_ids = minter.clone().with_token_ids();
        assert_ne!(text(&with_ids), text(&with_ids));

        second.fetch_add(1, Ordering::Relaxed);
        let next = text(&minter);
        assert!(!seen.contains(&next));
        second.fetch_sub(1, Ordering::Relaxed);
        assert_eq!(text(&minter), first);

        minter.replace_key(key("another secret of 32 bytes or more"));
        let replaced = text(&minter);
        assert!(!seen.contains(&replaced));
        minter.replace_key(key("0123456789abcdef0123456789abcdef"));
        assert_eq!(text(&minter), first);
    }

    #[test]
    fn a_number_is_written_as_display_writes_it() {
        for number in [0, 9, 10, 1_764_187_200, u64::MAX] {
            let mut text = String::from("x");
            push_number(&mut text, number);
            assert_eq!(text, format!("x{number}"));
        }
    }
}
