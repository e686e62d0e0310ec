//! The cryptography: the one file that names a cryptographic library.
//!
//! Every key is prepared once, and not for each token: a prepared key mints in 1.3 times the time
//! of the bare HMAC, and verifies without allocating. The library is the one behind jsonwebtoken's
//! default provider. jsonwebtoken itself keeps a process-global provider that panics when an
//! application's dependency graph enables both of its back ends, and that stays broken for the rest
//! of the process; nothing here goes through it. The library overwrites the memory of its private
//! keys when they are dropped.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::secret::Secret;

/// A prepared key that signs.
pub(crate) enum Signer {
    Hs256(Box<hmac::Key>),
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

/// A prepared key that checks signatures of one algorithm, in constant time where it is a secret.
pub(crate) enum Checker {
    Hs256(Box<hmac::Key>),
    EdDsa(ParsedPublicKey),
    Es256(ParsedPublicKey),
}

/// What a [`Signer`] makes.
pub(crate) enum Signature {
    Hs256(hmac::Tag),
    Public(Vec<u8>),
}

// ===== impl Signature =====

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Hs256(tag) => tag.as_ref(),
            Self::Public(signature) => signature,
        }
    }
}

// ===== impl Signer =====

impl Signer {
    pub(crate) fn hs256(secret: &Secret) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.bytes())))
    }

    /// Reads a private key in PKCS#8, or `None` if it is not one of this algorithm.
    pub(crate) fn pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Hs256 => None,
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).ok().map(Self::EdDsa),
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                .ok()
                .map(Self::Es256),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Es256(_) => Algorithm::Es256,
        }
    }

    /// Returns the public key: 32 bytes, or the uncompressed point. A secret has none.
    pub(crate) fn public(&self) -> Option<&[u8]> {
        match self {
            Self::Hs256(_) => None,
            Self::EdDsa(pair) => Some(pair.public_key().as_ref()),
            Self::Es256(pair) => Some(pair.public_key().as_ref()),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        match self {
            Self::Hs256(key) => Signature::Hs256(hmac::sign(key, message)),
            Self::EdDsa(pair) => Signature::Public(pair.sign(message).as_ref().to_vec()),
            Self::Es256(pair) => Signature::Public(
                pair.sign(&SystemRandom::new(), message)
                    .expect("the operating system has random numbers")
                    .as_ref()
                    .to_vec(),
            ),
        }
    }
}

// ===== impl Checker =====

impl Checker {
    pub(crate) fn hs256(secret: &Secret) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.bytes())))
    }

    /// Reads a public key, or `None` if it is not one of this algorithm.
    pub(crate) fn public(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Hs256 => None,
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, bytes).ok().map(Self::EdDsa),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes)
                .ok()
                .map(Self::Es256),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Es256(_) => Algorithm::Es256,
        }
    }

    /// Returns whether this key made `signature` over `message`. A truncated signature is refused.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
            Self::EdDsa(key) | Self::Es256(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// Derives a secret for another purpose (HKDF with SHA-256 and an empty salt, RFC 5869), with the
/// same id.
pub(crate) fn derived(secret: &Secret, purpose: &str) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret.bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *bytes))
        .expect("32 bytes are fewer than HKDF can make");
    let derived = Secret::allow_weak(*bytes).expect("32 random bytes are no PEM key");
    match secret.id() {
        Some(id) => derived.with_id(id).expect("it is an id already"),
        None => derived,
    }
}

/// Returns the first half of the SHA-256 of a text, in hexadecimal.
pub(crate) fn fingerprint(text: &[u8]) -> String {
    digest(&SHA256, text)
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Generates a private key in PKCS#8, or `None` for HS256 or if there are no random numbers.
pub(crate) fn generate(algorithm: Algorithm) -> Option<Zeroizing<Vec<u8>>> {
    let random = SystemRandom::new();
    let document = match algorithm {
        Algorithm::Hs256 => return None,
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
    };
    document
        .ok()
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
}
