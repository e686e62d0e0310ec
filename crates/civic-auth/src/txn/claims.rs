//! The claims of a transaction token, and the rules about them.

use serde::{Deserialize, Serialize};

use crate::mint::SERVICE_MUNICIPALITY;
use crate::person::is_nil;
use crate::role::Role;

/// The longest life of a token, in seconds.
pub(super) const MAX_LIFETIME_SECONDS: u64 = 300;

/// How far in the future `iat` may be, in seconds: the clocks of two services may differ.
const IAT_TOLERANCE_SECONDS: u64 = 5;

/// The only scope.
pub(super) const SCOPE: &str = "internal";

/// The most bytes of a name that are passed on: it is to be shown, and no one is found by it.
pub(super) const MAX_NAME_BYTES: usize = 256;

/// The claims, in the order in which they are written. A duplicate is refused.
#[derive(Deserialize, Serialize)]
pub(super) struct Claims {
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) aud: String,
    pub(super) txn: String,
    pub(super) sub: String,
    pub(super) scope: String,
    pub(super) req_wl: String,
    pub(super) tctx: Context,
}

/// What does not change on the way.
#[derive(Deserialize, Serialize)]
pub(super) struct Context {
    pub(super) role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) municipality: Option<String>,
    pub(super) name: String,
}

/// Which rule about the claims a token breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    /// It has expired.
    Expired,
    /// It is not for this trust domain, lives for too long, or is not of a person.
    Other,
}

impl Claims {
    /// Checks the claims of a signed token.
    pub(super) fn check(&self, trust_domain: &str, now: u64) -> Result<(), Broken> {
        let id = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        let municipality = self.tctx.municipality.as_deref();
        let lifetime = self.exp.checked_sub(self.iat);
        let well_formed = self.aud == trust_domain
            && self.scope == SCOPE
            && [&self.txn, &self.sub, &self.req_wl, &self.tctx.role]
                .into_iter()
                .all(|text| id(text))
            && municipality.is_none_or(|name| id(name) && name != SERVICE_MUNICIPALITY)
            // A person, and nothing that could be taken for a service.
            && !self
                .tctx
                .role
                .eq_ignore_ascii_case(Role::ServiceAccount.as_str())
            && !is_nil(&self.sub)
            && lifetime.is_some_and(|seconds| (1..=MAX_LIFETIME_SECONDS).contains(&seconds))
            && self.iat <= now.saturating_add(IAT_TOLERANCE_SECONDS);
        if !well_formed {
            return Err(Broken::Other);
        }
        if now >= self.exp {
            return Err(Broken::Expired);
        }
        Ok(())
    }
}
