//! Keys: who may mint, who may verify, and the cryptography behind them.
//!
//! A [`SigningKey`] mints, a [`VerifyingKey`] verifies, and only a [`Secret`] becomes both. A
//! verifier looks at a [`KeySet`], which a [`KeySource`] hands out.

mod algorithm;
mod crypto;
mod jwk;
mod pem;
mod refresh;
mod ring;
mod secret;
mod set;
mod shared;
mod signing;
mod source;
mod sources;
mod verifying;

pub use self::algorithm::Algorithm;
pub(crate) use self::crypto::{derived, fingerprint};
pub use self::refresh::KeyRefresh;
pub use self::ring::KeyRing;
pub use self::secret::Secret;
pub(crate) use self::secret::is_key_id;
pub use self::set::KeySet;
pub use self::shared::SharedKeySet;
pub use self::signing::{PrivatePem, SigningKey};
pub use self::source::{KeyFile, KeySource, Reload};
pub use self::sources::KeySources;
pub use self::verifying::{Profile, VerifyingKey};
