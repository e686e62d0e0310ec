//! Whose keys a request shares.

use std::fmt::Write as _;

use http::Method;

use crate::layer::idempotency::digest::{optional, sha256};
use crate::layer::idempotency::key::Key;

/// Whose keys a request shares: who calls, for which tenant, and what.
///
/// Two requests share a key only if all four parts are equal, so that no caller can get the answer
/// of another one by guessing its key. Nothing of the parts is stored: the record's name is a hash
/// of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scope([u8; 32]);

impl Scope {
    /// Creates a scope.
    ///
    /// - `caller`: who calls. Put the kind of the caller before the name, so that no user can have
    ///   the name of a service: `service:billing`, `user:4711`.
    /// - `tenant`: for which tenant, if there are any.
    /// - `method` and `template`: what is called. The template is that of the router,
    ///   `/bills/{id}`, so that a stored answer is never given to another route.
    #[must_use]
    pub fn new(caller: &str, tenant: Option<&str>, method: &Method, template: &str) -> Self {
        let [has_tenant, tenant] = optional(tenant.map(str::as_bytes));
        Self(sha256([
            b"civic idempotency scope v1".as_slice(),
            caller.as_bytes(),
            has_tenant,
            tenant,
            method.as_str().as_bytes(),
            template.as_bytes(),
        ]))
    }

    /// Returns the name of the record of a key in this scope.
    pub(super) fn record_name(&self, key: &Key) -> String {
        let mut name = String::with_capacity(64);
        for byte in sha256([self.0.as_slice(), key.as_bytes()]) {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_part_of_a_scope_tells_it_from_others() {
        let scopes = [
            Scope::new("a", Some("t"), &Method::POST, "/x"),
            Scope::new("b", Some("t"), &Method::POST, "/x"),
            Scope::new("a", Some("u"), &Method::POST, "/x"),
            Scope::new("a", Some(""), &Method::POST, "/x"),
            Scope::new("a", None, &Method::POST, "/x"),
            Scope::new("a", Some("t"), &Method::PUT, "/x"),
            Scope::new("a", Some("t"), &Method::POST, "/y"),
            // Where one part ends and the next begins counts.
            Scope::new("at", Some(""), &Method::POST, "/x"),
            Scope::new("", Some("at"), &Method::POST, "/x"),
        ];
        assert_eq!(HashSet::from(scopes).len(), scopes.len());
        let again = Scope::new("a", Some("t"), &Method::POST, "/x");
        assert_eq!(again, scopes[0]);
    }
}
