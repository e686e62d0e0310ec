//! The checks. Each promise that a check reports is a row of the report.

mod closing;
mod compare;
mod correlation;
mod envelopes;
mod errors;
mod fences;
mod locks;
mod not_found;
mod on_behalf_of;
mod rate_limits;
mod refusals;
mod restarts;
mod rolling;
mod rotation;
mod tokens;

use std::time::Duration;

use clap::ValueEnum;

use crate::findings::Findings;
use crate::report::Report;
use crate::stage::Stage;

/// No check takes longer, whatever hangs.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A group of promises that are checked together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Check {
    /// Tokens of each side are the other side's, byte for byte, and are accepted by it.
    Tokens,
    /// A bad credential gets the same answer from both sides.
    Refusals,
    /// The envelopes of both sides are the same bytes, and each side reads the other's.
    Envelopes,
    /// The words of a Node service's errors reach the caller.
    Errors,
    /// A comparison of a Rust service with the Node one finds each defect that is seeded.
    Compare,
    /// One correlation id passes through every hop.
    Correlation,
    /// The user for whom a service calls is known behind several hops of both kinds.
    OnBehalfOf,
    /// Keys are changed under load, and no call is refused.
    Rotation,
    /// Holders of both kinds exclude each other.
    Locks,
    /// A Node callee and a Rust one refuse the same fences.
    Fences,
    /// What a closing Fastify answers is what the client knows.
    Closing,
    /// A client lives with the peer's rate limit.
    RateLimits,
    /// No effect happens twice, and nearly no call fails, while Fastify peers are restarted.
    Restarts,
    /// A missing thing, a missing route and a wrong method are told apart by both sides.
    NotFound,
    /// No call fails and no effect happens twice while Rust replicas are restarted.
    Rolling,
}

// ===== impl Check =====

impl Check {
    /// In the order in which they run: the quick ones first.
    pub(crate) const ALL: [Self; 15] = [
        Self::Tokens,
        Self::Refusals,
        Self::Envelopes,
        Self::Errors,
        Self::NotFound,
        Self::Compare,
        Self::Correlation,
        Self::OnBehalfOf,
        Self::Rotation,
        Self::Closing,
        Self::RateLimits,
        Self::Fences,
        Self::Locks,
        Self::Restarts,
        Self::Rolling,
    ];

    /// Whether another version of NestJS can change the outcome.
    pub(crate) fn depends_on_peers(self) -> bool {
        !matches!(self, Self::Fences | Self::Locks | Self::Rolling)
    }

    /// Runs the check. One that cannot be carried out is a broken promise.
    pub(crate) async fn run(self, stage: &mut Stage<'_>, report: &mut Report) {
        let mut findings = Findings::new(stage.label(), self.name(), report);
        println!("\n━━ {} ({}): {}", self.name(), stage.label(), self.about());
        let done = tokio::time::timeout(LIMIT, self.play(stage, &mut findings)).await;
        let reason = match done {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => format!("it did not end within {LIMIT:?}"),
        };
        findings.promise("The check can be carried out", false, reason);
    }

    async fn play(self, stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
        match self {
            Self::Tokens => tokens::play(stage, findings).await,
            Self::Refusals => refusals::play(stage, findings).await,
            Self::Envelopes => envelopes::play(stage, findings).await,
            Self::Errors => errors::play(stage, findings).await,
            Self::Compare => compare::play(stage, findings).await,
            Self::Correlation => correlation::play(stage, findings).await,
            Self::OnBehalfOf => on_behalf_of::play(stage, findings).await,
            Self::Rotation => rotation::play(stage, findings).await,
            Self::Fences => fences::play(stage, findings).await,
            Self::Locks => locks::play(stage, findings).await,
            Self::Closing => closing::play(stage, findings).await,
            Self::RateLimits => rate_limits::play(stage, findings).await,
            Self::Restarts => restarts::play(stage, findings).await,
            Self::NotFound => not_found::play(stage, findings).await,
            Self::Rolling => rolling::play(stage, findings).await,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Refusals => "refusals",
            Self::Envelopes => "envelopes",
            Self::Errors => "errors",
            Self::Compare => "compare",
            Self::Correlation => "correlation",
            Self::OnBehalfOf => "on-behalf-of",
            Self::Rotation => "rotation",
            Self::Fences => "fences",
            Self::Locks => "locks",
            Self::Closing => "closing",
            Self::RateLimits => "rate-limits",
            Self::Restarts => "restarts",
            Self::NotFound => "not-found",
            Self::Rolling => "rolling",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Tokens => "tokens of each side, used on the other",
            Self::Refusals => "bad credentials, on both sides",
            Self::Envelopes => "the same payloads from both sides",
            Self::Errors => "errors of a Node service, read by `civic call`",
            Self::Compare => "what `--compare` says of services with a defect and of one without",
            Self::Correlation => "one id through every hop",
            Self::OnBehalfOf => "the user behind a call, over hops of both kinds",
            Self::Rotation => "from a secret to a key to a new key, under load",
            Self::Fences => "a Node callee that compares fences, beside a Rust one",
            Self::Locks => "holders of both kinds on one lock",
            Self::Closing => "requests that reach a closing Fastify",
            Self::RateLimits => "a peer that allows 100 requests per window",
            Self::Restarts => "a rolling restart of three Fastify processes behind one name",
            Self::NotFound => "what is missing in a Rust service",
            Self::Rolling => "a rolling restart of three Rust replicas behind one name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_has_the_name_that_the_command_line_knows_it_by() {
        for check in Check::ALL {
            let named = Check::from_str(check.name(), false);
            assert_eq!(named, Ok(check));
        }
        assert_eq!(Check::ALL.len(), Check::value_variants().len());
    }
}
