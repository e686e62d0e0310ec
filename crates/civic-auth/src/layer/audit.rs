//! The audit line: one event per request that a guard has looked at.
//!
//! It says who called and for whom, for which tenant, which route, with what outcome, how long it
//! took, and the correlation id. It has ids and names of services, and no personal value: neither
//! the name or the address of a person, nor a path with the values in it.

use std::sync::Arc;
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::{Extensions, Method, Request, StatusCode};
use tokio::time::Instant;

use crate::context::RequestContext;
use crate::error::AuthError;
use crate::verify::Principal;

/// Finds the name of a request's route.
#[derive(Clone)]
pub(super) struct Auditor(Arc<dyn Fn(&Extensions) -> Option<String> + Send + Sync>);

/// What is known of a request before its answer. Dropped without an answer, it says so.
pub(super) struct Audit {
    method: Method,
    route: Option<String>,
    caller: Option<String>,
    user: Option<String>,
    tenant: Option<String>,
    correlation_id: Option<CorrelationId>,
    began: Instant,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    /// The caller has gone, or the inner service has failed.
    NoAnswer,
    Answered(StatusCode),
    Refused(AuthError),
}

// ===== impl Auditor =====

impl Auditor {
    pub(super) fn new(
        route: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(route))
    }

    pub(super) fn begin<B>(&self, request: &Request<B>) -> Audit {
        Audit {
            method: request.method().clone(),
            route: (self.0)(request.extensions()),
            caller: None,
            user: None,
            tenant: None,
            correlation_id: RequestContext::correlation_id_for(
                request.headers(),
                request.extensions(),
            ),
            began: Instant::now(),
            outcome: Outcome::NoAnswer,
        }
    }
}

impl std::fmt::Debug for Auditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auditor")
    }
}

// ===== impl Audit =====

impl Audit {
    pub(super) fn caller(&mut self, principal: &Principal) {
        let caller = principal.issuer().filter(|_| principal.is_service());
        self.caller = Some(caller.unwrap_or_else(|| principal.user_id()).to_owned());
        self.user = principal
            .on_behalf_of()
            .map(|user| user.user_id().to_owned());
        self.tenant = principal.tenant().map(str::to_owned);
    }

    pub(super) fn answered(mut self, status: StatusCode) {
        self.outcome = Outcome::Answered(status);
    }

    pub(super) fn refused(mut self, error: AuthError) {
        self.outcome = Outcome::Refused(error);
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let (outcome, status) = match self.outcome {
            Outcome::NoAnswer => ("no_answer", None),
            Outcome::Answered(status) => ("answered", Some(status.as_u16())),
            Outcome::Refused(error) => (error.cause().as_str(), Some(error.status().as_u16())),
        };
        let took: Duration = self.began.elapsed();
        tracing::info!(
            target: "civic_auth::audit",
            caller = self.caller,
            on_behalf_of = self.user,
            tenant = self.tenant,
            method = self.method.as_str(),
            route = self.route,
            outcome,
            status,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            correlation_id = self.correlation_id.as_ref().map(CorrelationId::as_str),
            "audit"
        );
    }
}
