//! The targets of the crates that call C code, for cryptography.

mod claims;
mod collect;
mod correlation;
mod fence;
mod hops;
mod idempotency_key;
mod keys;
mod path;
mod rate_limit;
mod retry_after;
mod source;
mod token;
mod transaction;

use crate::Target;

/// Those of civic-auth first, then civic-client and civic-lock.
pub(super) const ALL: &[Target] = &[
    Target::new("token", token::run),
    Target::new("claims", claims::run),
    Target::new("source", source::run),
    Target::new("correlation", correlation::run),
    Target::new("hops", hops::run),
    Target::new("keys", keys::run),
    Target::new("transaction", transaction::run),
    Target::new("collect", collect::run),
    Target::new("path", path::run),
    Target::new("retry_after", retry_after::run),
    Target::new("rate_limit", rate_limit::run),
    Target::new("fence", fence::run),
    Target::new("idempotency_key", idempotency_key::run),
];
