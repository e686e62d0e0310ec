//! The targets, one per file.

mod checked;
mod claims;
mod collect;
mod correlation;
mod error_body;
mod fence;
mod hops;
mod idempotency_key;
mod keys;
mod path;
mod rate_limit;
mod retry_after;
mod source;
mod splice;
mod support;
mod token;
mod transaction;
mod unwrap;

use crate::Target;

/// Those of civic-auth first, then civic-envelope, civic-client and civic-lock.
pub(crate) const ALL: &[Target] = &[
    Target::new("token", token::run),
    Target::new("claims", claims::run),
    Target::new("source", source::run),
    Target::new("correlation", correlation::run),
    Target::new("hops", hops::run),
    Target::new("keys", keys::run),
    Target::new("transaction", transaction::run),
    Target::new("unwrap", unwrap::run),
    Target::new("error_body", error_body::run),
    Target::new("checked", checked::run),
    Target::new("splice", splice::run),
    Target::new("collect", collect::run),
    Target::new("path", path::run),
    Target::new("retry_after", retry_after::run),
    Target::new("rate_limit", rate_limit::run),
    Target::new("fence", fence::run),
    Target::new("idempotency_key", idempotency_key::run),
];
