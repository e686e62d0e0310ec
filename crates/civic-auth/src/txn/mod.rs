//! On whose behalf a service calls: transaction tokens.
//!
//! A service token says which service calls, not for whom. The header `Txn-Token` says it, in the
//! form of the OAuth working group's draft on transaction tokens:
//!
//! 1. The first service that admits a user mints one, for 5 minutes at most and never for longer
//!    than the user's own token.
//! 2. [`InternalHeadersLayer`](crate::InternalHeadersLayer) puts it on every call that the request
//!    causes, unchanged. No one signs it again.
//! 3. A guard reads it from requests that it has admitted as a service's, and from no others. A
//!    token that is not valid is 401, and never the same as none.
//!
//! It is no access token: its key is another one, and its `typ` is `txntoken+jwt`.

mod claims;
mod on_behalf_of;
mod tokens;
mod transaction;

pub use self::on_behalf_of::OnBehalfOf;
pub use self::tokens::TransactionTokens;
pub(crate) use self::transaction::{TXN_TOKEN, Transaction};
