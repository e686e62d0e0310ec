//! Used tokens: each service token that has a `jti` comes in once.
//!
//! A token is a bearer token: someone who has captured a request can send it again until the token
//! expires, 30 seconds later. [`ReplayProtection`] makes a guard remember the tokens that it has
//! let in, in a [`ReplayStore`], and refuse a token that it remembers with 401.
//!
//! - **What is remembered** is a hash of issuer and `jti` ([`UsedToken`]): the id is one of its
//!   issuer, so another issuer cannot use it up.
//! - **Only a token that has kept every other rule** is remembered: a forged one cannot use up the
//!   id of a good one.
//! - **For how long:** until no verifier would accept the token any more (`exp` + skew, rounded up
//!   to the second), and no longer.
//! - **Which requests:** those that could change something, and of every method if it is asked for.
//!   A repeated `GET` shows nothing that its first answer did not show.
//! - **Which tokens:** those of services that have a `jti`. A user's token comes with every request
//!   of the user. A token without `jti` cannot be told from another one, so
//!   [require one](crate::TokenVerifier::require_token_id) when every caller mints it.
//! - **Without the store** nothing is known. Whether the guard then refuses or accepts is a choice
//!   that has no default, [`OnStoreOutage`].
//!
//! A client that repeats a call mints a new token for each attempt, so its retries are not replays.

mod memory;
mod on_outage;
mod outages;
mod protection;
mod store;
mod used_token;

pub use self::memory::MemoryReplayStore;
pub use self::on_outage::OnStoreOutage;
pub use self::protection::ReplayProtection;
pub use self::store::{ReplayStore, ReplayStoreError, TokenUse};
pub use self::used_token::UsedToken;
