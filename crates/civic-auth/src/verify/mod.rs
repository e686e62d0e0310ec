//! Verifying: which token is accepted, and what an operator is told about one that is not.

mod cookie;
mod inspect;
mod principal;
mod rules;
mod source;
mod verifier;

pub use self::cookie::CookieRules;
pub use self::inspect::{Inspection, Rule, RuleOutcome};
pub use self::principal::Principal;
pub use self::verifier::TokenVerifier;
pub(crate) use self::verifier::check_signature;
