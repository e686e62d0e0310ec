//! Verifying: which token comes in, and what an operator is told about one that does not.

mod inspect;
mod principal;
mod rules;
mod source;
mod verifier;

pub use self::inspect::{Inspection, Rule, RuleOutcome};
pub use self::principal::Principal;
pub use self::verifier::TokenVerifier;
