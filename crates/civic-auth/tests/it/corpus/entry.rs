//! One request of the corpus.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hkdf;
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use civic_auth::{
    Algorithm, KeySet, KeySource, Profile, Secret, SigningKey, TokenVerifier, VerifyingKey,
};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, Request};
use serde::Deserialize;

use super::expand::expand;
use crate::support::{Claims, HEADER, NOW, SECRET, b64};

/// A request and its verdict. What it does not say is that of a good service token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) family: String,
    pub(super) name: String,
    /// The whole token.
    pub(super) token: Option<String>,
    /// Or its header, as JSON,
    pub(super) header: Option<String>,
    /// its claims,
    pub(super) claims: ClaimsOf,
    /// what its signature is,
    pub(super) mac: Mac,
    /// and under which key it is made.
    pub(super) key: Option<String>,
    /// Or all fields of the request.
    pub(super) fields: Option<Vec<(String, String)>>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) verifier: VerifierOf,
    /// `accepted`, `public`, or the word of a cause.
    pub(super) verdict: String,
}

/// The claims of a user or of a service, with changes; or any text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClaimsOf {
    of: Option<String>,
    first: Vec<(String, String)>,
    set: BTreeMap<String, String>,
    without: Vec<String>,
    add: Vec<(String, String)>,
    text: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub(super) enum Mac {
    #[default]
    HS256,
    HS384,
    HS512,
    /// An empty one.
    #[serde(rename = "none")]
    None,
    #[serde(rename = "garbage")]
    Garbage,
    /// Over the text and not its base64url.
    #[serde(rename = "decoded")]
    Decoded,
    /// Over the claims alone.
    #[serde(rename = "claims")]
    Claims,
    /// Over the header alone.
    #[serde(rename = "header")]
    Header,
    /// Under the key of transaction tokens.
    #[serde(rename = "transaction")]
    Transaction,
}

/// The verifier that is asked. What it does not say is that of the other tests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct VerifierOf {
    pub(super) now: Option<u64>,
    pub(super) skew_seconds: u64,
    service_name: Option<String>,
    require_audience: bool,
    require_issuer: bool,
    require_token_id: bool,
    key_issuer: Option<String>,
    key_profile: Option<String>,
    active_id: Option<String>,
    /// The secret is not the active one any more.
    previous: bool,
    previous_id: Option<String>,
    /// Only a key of this algorithm.
    only_public: Option<String>,
    no_keys: bool,
}

/// No keys yet.
struct NoKeys;

impl KeySource for NoKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        None
    }
}

// ===== impl Entry =====

impl Entry {
    pub(super) fn title(&self) -> String {
        format!("{}: {}", self.family, self.name)
    }

    /// The token, if it is one that this entry makes up.
    pub(super) fn token(&self) -> Option<Vec<u8>> {
        if self.fields.is_some() {
            return None;
        }
        if let Some(token) = &self.token {
            return Some(expand(token));
        }
        let header = expand(self.header.as_deref().unwrap_or(HEADER));
        let claims = self.claims.text();
        let signed = format!("{}.{}", b64(&header), b64(&claims));
        let secret = match self.key.as_deref() {
            None => SECRET.as_bytes().to_vec(),
            Some("public") => {
                let algorithm = self.verifier.only_public.as_deref().expect("a public key");
                let pem = public_key(algorithm).to_pem().expect("public");
                pem.into_bytes()
            }
            Some(key) => expand(key),
        };
        let tag = |algorithm: hmac::Algorithm, key: &[u8], message: &[u8]| {
            b64(hmac::sign(&hmac::Key::new(algorithm, key), message))
        };
        let message = signed.as_bytes();
        let mac = match self.mac {
            Mac::HS256 => tag(HMAC_SHA256, &secret, message),
            Mac::HS384 => tag(HMAC_SHA384, &secret, message),
            Mac::HS512 => tag(HMAC_SHA512, &secret, message),
            Mac::None => String::new(),
            Mac::Garbage => "AA".to_owned(),
            Mac::Decoded => tag(HMAC_SHA256, &secret, &[&header[..], b".", &claims].concat()),
            Mac::Claims => tag(HMAC_SHA256, &secret, b64(&claims).as_bytes()),
            Mac::Header => tag(HMAC_SHA256, &secret, b64(&header).as_bytes()),
            Mac::Transaction => tag(HMAC_SHA256, &transaction_key(), message),
        };
        Some(format!("{signed}.{mac}").into_bytes())
    }

    pub(super) fn request<B: Default>(&self) -> Request<B> {
        let mut request = Request::new(B::default());
        let method = self.method.as_deref().unwrap_or("POST");
        *request.method_mut() = method.parse::<Method>().expect("a method");
        let path = expand(self.path.as_deref().unwrap_or("/api"));
        *request.uri_mut() = String::from_utf8(path)
            .expect("text")
            .parse()
            .expect("an address");
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).expect("a header value");
        if let Some(token) = self.token() {
            let field = [b"Bearer ", &token[..]].concat();
            request.headers_mut().insert(AUTHORIZATION, value(&field));
        }
        for (name, text) in self.fields.iter().flatten() {
            let name: HeaderName = name.parse().expect("a header name");
            request.headers_mut().append(name, value(&expand(text)));
        }
        request
    }

    pub(super) fn verifier(&self) -> TokenVerifier {
        let settings = &self.verifier;
        let mut verifier = if settings.no_keys {
            TokenVerifier::from_source(NoKeys)
        } else {
            TokenVerifier::new(settings.keys())
        };
        let now = Duration::from_secs(settings.now.unwrap_or(NOW));
        verifier = verifier
            .with_clock(move || UNIX_EPOCH + now)
            .with_skew(Duration::from_secs(settings.skew_seconds))
            .expect("at most 30 s");
        if let Some(name) = &settings.service_name {
            verifier = verifier.with_service_name(name.as_str());
        }
        if settings.require_audience {
            verifier = verifier.require_audience();
        }
        if settings.require_issuer {
            verifier = verifier.require_issuer();
        }
        if settings.require_token_id {
            verifier = verifier.require_token_id();
        }
        verifier
    }
}

// ===== impl ClaimsOf =====

impl ClaimsOf {
    fn text(&self) -> Vec<u8> {
        if let Some(text) = &self.text {
            return expand(text);
        }
        let mut claims = match self.of.as_deref() {
            None | Some("service") => Claims::service(),
            Some("user") => Claims::user(),
            Some(other) => panic!("no claims are those of {other:?}"),
        };
        for name in &self.without {
            claims = claims.without(name);
        }
        for (name, json) in &self.set {
            claims = claims.set(name, json);
        }
        for (name, json) in &self.add {
            claims = claims.add(name, json);
        }
        for (name, json) in &self.first {
            claims = claims.add_first(name, json);
        }
        expand(&claims.json())
    }
}

// ===== impl VerifierOf =====

impl VerifierOf {
    fn keys(&self) -> KeySet {
        if let Some(algorithm) = &self.only_public {
            return KeySet::from(public_key(algorithm));
        }
        let named = |secret: &str, id: Option<&str>| {
            let secret = Secret::new(secret).expect("a usable secret");
            match id {
                None => secret,
                Some(id) => secret.with_id(id).expect("an id"),
            }
        };
        let active = self.active_id.as_deref();
        if self.previous {
            let active = named("fedcba9876543210fedcba9876543210", active);
            let previous = named(SECRET, self.previous_id.as_deref());
            return KeySet::from(active).with_key(previous);
        }
        let mut key = VerifyingKey::from(named(SECRET, active));
        if let Some(issuer) = &self.key_issuer {
            key = key.issued_by(issuer.as_str());
        }
        key = match self.key_profile.as_deref() {
            None => key,
            Some("service") => key.only(Profile::Service),
            Some("user") => key.only(Profile::User),
            Some(other) => panic!("there is no profile {other:?}"),
        };
        KeySet::from(key)
    }
}

/// One public key per algorithm, the same each time.
fn public_key(algorithm: &str) -> VerifyingKey {
    static PEMS: LazyLock<[String; 2]> = LazyLock::new(|| {
        [Algorithm::EdDsa, Algorithm::Es256].map(|algorithm| {
            let pem = SigningKey::generate_pem(algorithm).expect("random numbers");
            pem.as_str().to_owned()
        })
    });
    let pem = match algorithm {
        "EdDSA" => &PEMS[0],
        "ES256" => &PEMS[1],
        other => panic!("no key is of {other:?}"),
    };
    let key = SigningKey::from_pem(pem).expect("a key");
    key.public_key().expect("not a secret")
}

/// The key of transaction tokens, which is derived from the secret.
fn transaction_key() -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(SECRET.as_bytes())
        .expand(&[b"civic txn-token v1"], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .expect("a key");
    key
}
