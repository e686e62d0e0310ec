//! Keys: the shared secret, the ring of secrets, and the cryptography behind them.

mod crypto;
mod ring;
mod secret;

pub(crate) use self::crypto::{SigningKey, VerifyingKey};
pub use self::ring::KeyRing;
pub use self::secret::Secret;
pub(crate) use self::secret::is_key_id;
