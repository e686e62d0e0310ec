//! Minting and verifying.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use civic_auth::{
    Algorithm, KeySet, Profile, Role, Secret, SigningKey, TokenMinter, TokenVerifier, UserClaims,
};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::piece::{OURS, Piece, aim};
use crate::measure::Side;

const SECRET: &[u8] = b"a secret for benchmarks, 32 bytes or more";
const SERVICE: &str = "billing";
/// How many tokens take turns: the same one again and again would be predicted.
const TOKENS: usize = 10;

const HMAC: &str = "HMAC of the same bytes";
const PLAIN: &str = "split, base64, HMAC, typed parse";
const ENCODE: &str = "jsonwebtoken::encode";
const DECODE: &str = "jsonwebtoken::decode";
const BARE: &str = "the operation of aws-lc";

/// The claims as a program beside ours declares them.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: String,
    email: String,
    role: String,
    municipality_id: Option<String>,
    name: String,
    iat: u64,
    exp: u64,
}

/// Tokens that are taken in turn, as requests that carry them and as text.
struct Turns {
    headers: Vec<HeaderMap>,
    tokens: Vec<String>,
    next: Cell<usize>,
}

pub(super) fn pieces() -> Vec<Piece> {
    vec![
        mint(),
        verify("verify a service token", 1.0, 0.4, |minter| {
            minter.mint().as_str().to_owned()
        }),
        verify("verify a user token", f64::INFINITY, 0.667, |minter| {
            minter
                .mint_for(&user(), Duration::from_secs(900))
                .as_str()
                .to_owned()
        }),
        sign("sign with EdDSA", Algorithm::EdDsa),
        sign("sign with ES256", Algorithm::Es256),
        check("verify EdDSA", Algorithm::EdDsa),
        check("verify ES256", Algorithm::Es256),
    ]
}

fn mint() -> Piece {
    let minter = minter(secret());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let token = minter.mint().as_str().to_owned();
    let signed = token
        .rsplit_once('.')
        .map(|(signed, _)| signed.to_owned())
        .expect("a token has a signature");
    let encoding = EncodingKey::from_secret(SECRET);
    Piece {
        name: "mint a service token",
        sides: vec![
            Side::new(OURS, move || minter.mint()),
            Side::new(HMAC, move || hmac::sign(&key, signed.as_bytes())),
            Side::new(ENCODE, move || {
                let iat = now();
                let claims = Claims {
                    user_id: "00000000-0000-0000-0000-000000000000".into(),
                    email: "service@internal".into(),
                    role: "SERVICE_ACCOUNT".into(),
                    municipality_id: Some("internal".into()),
                    name: "Internal Service".into(),
                    iat,
                    exp: iat + 30,
                };
                jsonwebtoken::encode(&Header::default(), &claims, &encoding).expect("it encodes")
            }),
        ],
        aims: vec![aim(HMAC, 1.5), aim(ENCODE, 0.5)],
        adds: None,
    }
}

/// Makes a minter for which a second passes with each token: one of the same second would be used
/// again, and nothing would be signed.
fn minter(key: impl Into<SigningKey>) -> TokenMinter {
    let second = AtomicU64::new(now());
    TokenMinter::new(key).with_clock(move || {
        UNIX_EPOCH + Duration::from_secs(second.fetch_add(1, Ordering::Relaxed))
    })
}

fn verify(
    name: &'static str,
    plain: f64,
    decode: f64,
    token: impl Fn(&TokenMinter) -> String,
) -> Piece {
    let verifier = TokenVerifier::new(secret());
    let (ours, split, library) = (turns(&token), turns(&token), turns(&token));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let decoding = DecodingKey::from_secret(SECRET);
    let validation = Validation::default();
    let mut aims = vec![aim(DECODE, decode)];
    if plain.is_finite() {
        aims.insert(0, aim(PLAIN, plain));
    }
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || {
                verifier
                    .verify(&ours.headers[ours.turn()])
                    .expect("the token is good")
            }),
            Side::new(PLAIN, move || {
                let token = &split.tokens[split.turn()];
                let (signed, signature) = token.rsplit_once('.').expect("it has a signature");
                let (_, payload) = signed.split_once('.').expect("it has a payload");
                let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64");
                hmac::verify(&key, signed.as_bytes(), &signature).expect("it is ours");
                let payload = URL_SAFE_NO_PAD.decode(payload).expect("it is base64");
                serde_json::from_slice::<Claims>(&payload).expect("it has the claims")
            }),
            Side::new(DECODE, move || {
                let token = &library.tokens[library.turn()];
                jsonwebtoken::decode::<Claims>(token, &decoding, &validation)
                    .expect("the token is good")
            }),
        ],
        aims,
        adds: None,
    }
}

fn sign(name: &'static str, algorithm: Algorithm) -> Piece {
    let pem = SigningKey::generate_pem(algorithm).expect("a key can be made");
    let minter = minter(SigningKey::from_pem(pem.as_str()).expect("it is a key"));
    let token = minter.mint().as_str().to_owned();
    let message = signed(&token).to_vec();
    let der = der(pem.as_str());
    let bare: Box<dyn Fn() -> usize> = match algorithm {
        Algorithm::Es256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                .expect("it is a key");
            let random = SystemRandom::new();
            Box::new(move || {
                let signature = key.sign(&random, &message).expect("it signs");
                signature.as_ref().len()
            })
        }
        _ => {
            let key = Ed25519KeyPair::from_pkcs8(&der).expect("it is a key");
            Box::new(move || key.sign(&message).as_ref().len())
        }
    };
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || minter.mint()),
            Side::new(BARE, bare),
        ],
        aims: vec![aim(BARE, 1.1)],
        adds: None,
    }
}

fn check(name: &'static str, algorithm: Algorithm) -> Piece {
    let pem = SigningKey::generate_pem(algorithm).expect("a key can be made");
    let signing = SigningKey::from_pem(pem.as_str())
        .and_then(|key| key.with_id("benchmark"))
        .expect("it is a key");
    let public = signing.public_key().expect("it has a public key");
    let public = public.issued_by(SERVICE).only(Profile::Service);
    let verifier = TokenVerifier::new(KeySet::from(public));
    let minter = TokenMinter::new(signing).with_issuer(SERVICE);
    let tokens = || -> Vec<String> {
        (0..TOKENS)
            .map(|_| minter.mint().as_str().to_owned())
            .collect()
    };
    let ours = Turns::new(tokens());
    let bare = Turns::new(tokens());
    let der = der(pem.as_str());
    let key = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map(|pair| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()))
            .expect("it is a key"),
        _ => Ed25519KeyPair::from_pkcs8(&der)
            .map(|pair| ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()))
            .expect("it is a key"),
    }
    .expect("it has a public key");
    let parts: Vec<(Vec<u8>, Vec<u8>)> = bare
        .tokens
        .iter()
        .map(|token| {
            let signature = token.rsplit('.').next().expect("it has a signature");
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64");
            (signed(token).to_vec(), signature)
        })
        .collect();
    Piece {
        name,
        sides: vec![
            Side::new(OURS, move || {
                verifier
                    .verify(&ours.headers[ours.turn()])
                    .expect("the token is good")
            }),
            Side::new(BARE, move || {
                let (message, signature) = &parts[bare.turn()];
                key.verify_sig(message, signature).expect("it is ours");
            }),
        ],
        aims: vec![aim(BARE, 1.1)],
        adds: None,
    }
}

// ===== impl Turns =====

impl Turns {
    fn new(tokens: Vec<String>) -> Self {
        let headers = tokens
            .iter()
            .map(|token| {
                let value = HeaderValue::try_from(format!("Bearer {token}")).expect("it is ASCII");
                HeaderMap::from_iter([(AUTHORIZATION, value)])
            })
            .collect();
        Self {
            headers,
            tokens,
            next: Cell::new(0),
        }
    }

    fn turn(&self) -> usize {
        let turn = self.next.get();
        self.next.set((turn + 1) % self.tokens.len());
        turn
    }
}

/// Mints tokens of ten different seconds of the last ten, which live as long as the benchmark.
fn turns(token: &impl Fn(&TokenMinter) -> String) -> Turns {
    let tokens = (0..TOKENS).map(|number| {
        let minter = TokenMinter::new(secret())
            .with_clock(move || SystemTime::now() - Duration::from_secs(number as u64));
        token(&minter)
    });
    Turns::new(tokens.collect())
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("it is long enough")
}

fn user() -> UserClaims {
    UserClaims::new(
        "2f1d7c1e-6f0a-4b8e-9f39-0d6a4a8f2a11",
        "clerk@springfield.example",
        Role::TaxClerk,
    )
    .with_municipality("springfield")
    .with_name("C. Clerk")
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What the signature is made of.
fn signed(token: &str) -> &[u8] {
    let (signed, _) = token.rsplit_once('.').expect("a token has a signature");
    signed.as_bytes()
}

/// The key inside of a PEM text.
fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(base64).expect("PEM is base64")
}
