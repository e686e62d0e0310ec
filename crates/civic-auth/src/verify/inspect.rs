//! The inspection of a token: every rule, kept or broken, for the operator whose call is refused.
//!
//! Unlike [`TokenVerifier::verify`], it goes on behind the first broken rule, as far as there is
//! anything to look at, and says what it found. It takes the token as if it had come in the
//! `Authorization` header. It shows header and claims, never the signature and nothing of a secret:
//! what it prints cannot be used to call anybody.

use std::fmt;

use serde::Serialize;
use serde::de::IgnoredAny;

use super::rules;
use super::source::Source;
use super::verifier::TokenVerifier;
use crate::error::Cause;
use crate::jwt::compact::{self, MAX_TOKEN_BYTES};
use crate::jwt::{Compact, Header, Payload};

/// What became of every rule. Made by [`TokenVerifier::inspect`].
///
/// `Display` prints a line a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    rules: Vec<Rule>,
    header: Option<String>,
    claims: Option<String>,
}

/// One rule, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    name: &'static str,
    outcome: RuleOutcome,
    detail: String,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// The token keeps the rule.
    Kept,
    /// The token breaks the rule; for that alone it is refused.
    Broken,
    /// What the rule is about could not be read. The rule that says why is broken.
    NotChecked,
}

impl Inspection {
    /// Whether every rule is kept, which is to say that the guard lets the token in.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.rules
            .iter()
            .all(|rule| rule.outcome == RuleOutcome::Kept)
    }

    /// The rules, in the guard's order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The header as JSON, if it is JSON. It says what the token claims, accepted or not.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The claims as JSON, if they are JSON. They say what the token claims, accepted or not.
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }
}

impl Rule {
    /// The rule's name: `size`, `shape`, `header`, `signature`, `claims`, `profile`, `lifetime`, `exp`, `nbf`, `iat`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What became of it.
    #[must_use]
    pub fn outcome(&self) -> RuleOutcome {
        self.outcome
    }

    /// A sentence for a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
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

/// The rules that need the claims.
const CLAIM_RULES: [&str; 5] = ["profile", "lifetime", "exp", "nbf", "iat"];

impl TokenVerifier {
    /// Looks at a token and says of every rule whether it is kept.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use civic_auth::{RuleOutcome, Secret, TokenMinter, TokenVerifier};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = Secret::new("0123456789abcdef0123456789abcdef")?;
    /// let token = TokenMinter::new(secret.clone()).with_clock(|| UNIX_EPOCH + Duration::from_secs(1_740_000_000)).mint();
    /// let inspection = TokenVerifier::new(secret).inspect(token.as_str());
    ///
    /// let broken: Vec<_> = inspection.rules().iter().filter(|rule| rule.outcome() == RuleOutcome::Broken).collect();
    /// assert_eq!(broken.len(), 1);
    /// assert_eq!(broken[0].name(), "exp");
    /// assert!(!inspection.is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn inspect(&self, token: &str) -> Inspection {
        let mut report = Inspection {
            rules: Vec::with_capacity(10),
            header: None,
            claims: None,
        };
        report.add(
            "size",
            compact::check_size(token.as_bytes()),
            format!("{} bytes, at most {MAX_TOKEN_BYTES}", token.len()),
        );

        let shape = Compact::split(token.as_bytes());
        report.add(
            "shape",
            shape.as_ref().map(|_| ()).map_err(|cause| *cause),
            "three parts in base64url, none empty",
        );
        let Ok(token) = shape else {
            for name in ["header", "signature", "claims"]
                .into_iter()
                .chain(CLAIM_RULES)
            {
                report.skip(name, "there is no such part");
            }
            return report;
        };

        report.header = shown(token.header);
        let header = Header::read(token.header);
        let detail = match &header {
            Ok(Header { key_id: None }) => "HS256, nothing unusual, no key named".to_owned(),
            Ok(Header { key_id: Some(id) }) => format!("HS256, key {id:?}"),
            Err(cause) => explain(*cause).to_owned(),
        };
        report.add(
            "header",
            header.as_ref().map(|_| ()).map_err(|cause| *cause),
            detail,
        );

        // A broken header names no key that could be trusted: then it may be any.
        let signature = self.check_signature(&token, &header.unwrap_or_default());
        report.add(
            "signature",
            signature,
            signature.map_or_else(explain, |()| "made by a key of the ring"),
        );

        report.claims = shown(token.claims);
        let Some(json) = compact::decode_text(token.claims) else {
            report.add(
                "claims",
                Err(Cause::MalformedClaims),
                "not UTF-8 in base64url",
            );
            return report.without_claims();
        };
        match Payload::parse(&json) {
            Ok(payload) => {
                report.add(
                    "claims",
                    Ok(()),
                    "every claim is there once and well formed",
                );
                self.inspect_claims(&payload, report)
            }
            Err(error) => {
                // The library quotes what it found, which the peer has chosen.
                report.add(
                    "claims",
                    Err(Cause::MalformedClaims),
                    error.to_string().escape_debug().to_string(),
                );
                report.without_claims()
            }
        }
    }

    fn inspect_claims(&self, payload: &Payload, mut report: Inspection) -> Inspection {
        let (now, skew) = (self.now(), self.skew());
        let (seconds, skewed) = (now.as_secs(), skew.as_secs_f64());
        let service = rules::is_service(payload);

        let profile = rules::profile(payload).and_then(|()| rules::source(payload, Source::Header));
        let detail = match (profile, service) {
            (Ok(()), true) => "wholly a service, which may come in the Authorization header only",
            (Ok(()), false) => "wholly a user, who may come in the header or the cookie",
            (Err(cause), _) => explain(cause),
        };
        report.add("profile", profile, detail);

        let lifetime = payload.iat.map(|iat| payload.exp.seconds_since(iat));
        let detail = match (service, lifetime) {
            (false, _) => "a user token may live for any time".to_owned(),
            (true, Some(lifetime)) => {
                format!("claims to live for {lifetime} s; a service token lives for 1 to 30 s")
            }
            (true, None) => "a service token must have iat".to_owned(),
        };
        report.add("lifetime", rules::lifetime(payload), detail);

        let exp = payload.exp.ceil();
        let detail = format!(
            "exp is {exp}, now is {seconds} ({}), skew is {skewed} s",
            relative(exp, seconds)
        );
        report.add("exp", rules::expiry(payload, now, skew), detail);

        let detail = payload.nbf.map_or_else(
            || "there is none".to_owned(),
            |nbf| {
                format!(
                    "nbf is {}, now is {seconds} ({}), skew is {skewed} s",
                    nbf.ceil(),
                    relative(nbf.ceil(), seconds)
                )
            },
        );
        report.add("nbf", rules::not_before(payload, now, skew), detail);

        let tolerated = skew.max(rules::IAT_TOLERANCE).as_secs_f64();
        let detail = payload.iat.map_or_else(
            || "there is none".to_owned(),
            |iat| {
                format!(
                    "iat is {}, now is {seconds} ({}), {tolerated} s of the future are tolerated",
                    iat.ceil(),
                    relative(iat.ceil(), seconds)
                )
            },
        );
        report.add("iat", rules::issued_at(payload, now, skew), detail);
        report
    }
}

impl Inspection {
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
        for name in CLAIM_RULES {
            self.skip(name, "the claims cannot be read");
        }
        self
    }
}

fn relative(instant: u64, now: u64) -> String {
    if instant > now {
        format!("{} s from now", instant - now)
    } else {
        format!("{} s ago", now - instant)
    }
}

/// The text of a part, if it is JSON. White space in it may be control characters: it becomes spaces,
/// so that the text is one harmless line.
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

fn explain(cause: Cause) -> &'static str {
    match cause {
        Cause::MalformedHeader => {
            "not one JSON object with alg, typ and kid, each a string and there once"
        }
        Cause::UnsupportedHeader => "there is a member other than alg, typ and kid",
        Cause::WrongAlgorithm => "alg is not HS256",
        Cause::WrongType => "typ is not JWT",
        Cause::UnknownKey => "kid names a key that is not in the ring",
        Cause::WrongSignature => {
            "no key of the ring made it: another JWT_SECRET, or the token was changed"
        }
        Cause::MixedProfiles => {
            "half a service and half a user: role, userId, email and municipalityId do not belong together"
        }
        other => other.as_str(),
    }
}
