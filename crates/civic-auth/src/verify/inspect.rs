//! The inspection of a token: every rule, kept or broken, for an operator whose call is refused.
//!
//! Unlike [`TokenVerifier::verify`], it goes on after the first broken rule, as far as there is
//! something to look at, and says what it found. It treats the token as if it had come in the
//! `Authorization` header. It shows header and claims, never the signature or anything of a secret:
//! what it prints cannot be used to make a call.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::IgnoredAny;

use super::rules::CLAIM_RULES;
use super::source::Source;
use super::verifier::{TokenVerifier, check_signature};
use crate::error::Cause;
use crate::jwt::compact::{self, MAX_TOKEN_BYTES};
use crate::jwt::{Compact, Header, Payload, TokenType};
use crate::key::{Algorithm, KeySet};

/// The outcome of every rule. Made by [`TokenVerifier::inspect`].
///
/// `Display` prints one line per rule.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    rules: Vec<Rule>,
    header: Option<String>,
    claims: Option<String>,
}

/// One rule and its outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    name: &'static str,
    outcome: RuleOutcome,
    detail: String,
}

/// The outcome of a rule.
///
/// The enum is exhaustive on purpose: a rule has no fourth outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// The token keeps the rule.
    Kept,
    /// The token breaks the rule. This alone makes a guard refuse it.
    Broken,
    /// What the rule looks at could not be read. The rule that says why is broken.
    NotChecked,
}

// ===== impl TokenVerifier =====

impl TokenVerifier {
    /// Looks at a token and says for each rule whether it is kept.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use civic_auth::{RuleOutcome, Secret, TokenMinter, TokenVerifier};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = Secret::new("0123456789abcdef0123456789abcdef")?;
    /// let last_year = || UNIX_EPOCH + Duration::from_secs(1_740_000_000);
    /// let token = TokenMinter::new(secret.clone()).with_clock(last_year).mint();
    /// let inspection = TokenVerifier::new(secret).inspect(token.as_str());
    ///
    /// let mut broken = inspection
    ///     .rules()
    ///     .iter()
    ///     .filter(|rule| rule.outcome() == RuleOutcome::Broken);
    /// assert_eq!(broken.next().map(|rule| rule.name()), Some("exp"));
    /// assert!(broken.next().is_none());
    /// assert!(!inspection.is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn inspect(&self, token: &str) -> Inspection {
        let mut report = Inspection {
            rules: Vec::with_capacity(5 + CLAIM_RULES.len()),
            header: None,
            claims: None,
        };
        report.add(
            "size",
            compact::check_size(token.as_bytes()),
            format!(
                "the token has {} bytes, at most {MAX_TOKEN_BYTES} are allowed",
                token.len()
            ),
        );

        let shape = Compact::split(token.as_bytes());
        report.add(
            "shape",
            shape.as_ref().map(|_| ()).map_err(|cause| *cause),
            "a token is three parts in base64url, separated by dots, none of them empty",
        );
        let Ok(token) = shape else {
            for name in ["header", "signature", "claims"] {
                report.skip(name, "the token cannot be split into parts");
            }
            return report.without_claims();
        };

        report.header = shown(token.header);
        let header = Header::read(token.header, TokenType::Access);
        let detail = match &header {
            Ok(Header { algorithm, key_id }) => {
                let algorithm = algorithm.map_or("not known", Algorithm::as_str);
                match key_id {
                    None => format!("alg is {algorithm}, no key is named"),
                    Some(id) => format!("alg is {algorithm}, kid is {id:?}"),
                }
            }
            Err(cause) => explain(*cause).to_owned(),
        };
        report.add(
            "header",
            header.as_ref().map(|_| ()).map_err(|cause| *cause),
            detail,
        );

        // A broken header names no key that could be trusted, so every key is tried.
        let none = || Arc::new(KeySet::default().with_keys_missing());
        let keys = self.keys().unwrap_or_else(none);
        let signature = check_signature(&keys, &token, &header.unwrap_or_default());
        report.add(
            "signature",
            signature.map(|_| ()),
            signature.map_or_else(
                |cause| explain(cause).to_owned(),
                |key| match key.id() {
                    Some(id) => format!("the key {id:?} made it ({})", key.algorithm()),
                    None => format!("a key of the ring made it ({})", key.algorithm()),
                },
            ),
        );

        report.claims = shown(token.claims);
        let claims = match compact::decode_text(token.claims) {
            None => Err("the claims are not UTF-8 in base64url".to_owned()),
            // The parser's message quotes what the peer has chosen.
            Some(json) => {
                Payload::parse(&json).map_err(|error| error.to_string().escape_debug().to_string())
            }
        };
        let payload = match claims {
            Ok(payload) => payload,
            Err(detail) => {
                report.add("claims", Err(Cause::MalformedClaims), detail);
                return report.without_claims();
            }
        };
        report.add(
            "claims",
            Ok(()),
            "all required claims are present and well formed, without duplicates",
        );

        let evidence = self.evidence(payload, Source::Header, signature.ok().cloned());
        for rule in &CLAIM_RULES {
            report.add(
                rule.name,
                (rule.check)(&evidence),
                (rule.describe)(&evidence),
            );
        }
        report
    }
}

// ===== impl Inspection =====

impl Inspection {
    /// Returns whether every rule is kept, which means that a guard lets the token in.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.rules
            .iter()
            .all(|rule| rule.outcome == RuleOutcome::Kept)
    }

    /// Returns the rules, in the guard's order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the header as JSON, if it is JSON. It is what the token says, accepted or not.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Returns the claims as JSON, if they are JSON. They are what the token says, accepted or not.
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    fn add(&mut self, name: &'static str, result: Result<(), Cause>, detail: impl Into<String>) {
        let outcome = if result.is_ok() {
            RuleOutcome::Kept
        } else {
            RuleOutcome::Broken
        };
        self.rules.push(Rule {
            name,
            outcome,
            detail: detail.into(),
        });
    }

    fn skip(&mut self, name: &'static str, detail: &str) {
        self.rules.push(Rule {
            name,
            outcome: RuleOutcome::NotChecked,
            detail: detail.to_owned(),
        });
    }

    fn without_claims(mut self) -> Self {
        for rule in &CLAIM_RULES {
            self.skip(rule.name, "the claims cannot be read");
        }
        self
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            let outcome = match rule.outcome {
                RuleOutcome::Kept => "kept",
                RuleOutcome::Broken => "BROKEN",
                RuleOutcome::NotChecked => "not checked",
            };
            writeln!(f, "{:<10} {outcome:<12} {}", rule.name, rule.detail)?;
        }
        f.write_str(if self.is_accepted() {
            "accepted"
        } else {
            "refused"
        })
    }
}

// ===== impl Rule =====

impl Rule {
    /// Returns the rule's name.
    ///
    /// The names are `size`, `shape`, `header`, `signature`, `claims`, `profile`, `source`,
    /// `lifetime`, `exp`, `nbf`, `iat`, `issuer`, `audience` and `jti`, in this order.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the outcome.
    #[must_use]
    pub fn outcome(&self) -> RuleOutcome {
        self.outcome
    }

    /// Returns a sentence that tells a person what was found.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// Returns the text of a part, if it is JSON.
///
/// White space between the members may be control characters. It becomes spaces, so that the text
/// is one harmless line.
fn shown(part: &str) -> Option<String> {
    let text = compact::decode_text(part)?;
    serde_json::from_str::<IgnoredAny>(&text).ok()?;
    Some(
        text.chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect(),
    )
}

/// Tells an operator what a broken rule about the header or the signature means.
fn explain(cause: Cause) -> &'static str {
    match cause {
        Cause::MalformedHeader => {
            "the header is not one JSON object in which alg, typ and kid are strings without \
             duplicates"
        }
        Cause::UnsupportedHeader => {
            "the header has a member that would have to be understood (crit, b64, zip, enc) or that \
             offers a key (jwk, jku, x5c, x5u)"
        }
        Cause::WrongAlgorithm => "no key of the ring has this alg",
        Cause::WrongType => "typ is neither JWT nor at+jwt",
        Cause::UnknownKey => "kid names a key that is not in the ring",
        Cause::WrongSignature => {
            "no key of the ring made it: JWT_SECRET differs, or the token was changed"
        }
        Cause::KeysUnavailable => {
            "no key that is there made it, and keys are missing at present: a guard answers 503"
        }
        other => other.as_str(),
    }
}
