//! What the checks found, as Terminus writes it.

use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::check::{Check, Outcome};
use crate::extract::Json;

/// What Terminus' `@HealthCheck()` sends.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-store, must-revalidate");

/// The state of the service as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    Error,
    ShuttingDown,
}

/// What the checks found.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) state: State,
    findings: Vec<Finding>,
}

#[derive(Clone, Debug)]
struct Finding {
    name: String,
    /// Why it is down; `None` if it is up.
    reason: Option<String>,
}

/// The body of the answer.
#[derive(Serialize)]
struct Body<'a> {
    status: State,
    info: Members<'a>,
    error: Members<'a>,
    details: Members<'a>,
}

/// An object with one member per finding.
struct Members<'a>(Vec<&'a Finding>);

#[derive(Serialize)]
struct Member {
    status: &'static str,
}

/// Answers that the process lives.
pub(crate) async fn healthy() -> Response {
    let report = Report {
        state: State::Ok,
        findings: Vec::new(),
    };
    report.into_response()
}

// ===== impl Report =====

impl Report {
    pub(super) fn new(checks: &[Check], outcomes: Vec<Outcome>) -> Self {
        let findings: Vec<Finding> = checks
            .iter()
            .zip(outcomes)
            .map(|(check, outcome)| Finding {
                name: check.name().to_owned(),
                reason: outcome.0.err(),
            })
            .collect();
        let is_down = findings.iter().any(|finding| finding.reason.is_some());
        Self {
            state: if is_down { State::Error } else { State::Ok },
            findings,
        }
    }

    /// Logs what has changed since the report before, which had the same checks.
    pub(super) fn log_changes(&self, before: Option<&Self>) {
        for (index, finding) in self.findings.iter().enumerate() {
            let was_down = before
                .and_then(|before| before.findings.get(index))
                .is_some_and(|before| before.reason.is_some());
            match &finding.reason {
                Some(reason) if !was_down => {
                    tracing::warn!(check = finding.name, reason, "not ready: a check fails");
                }
                None if was_down => tracing::info!(check = finding.name, "a check passes again"),
                _ => {}
            }
        }
    }

    pub(super) fn into_response(self) -> Response {
        let status = match self.state {
            State::Ok => StatusCode::OK,
            State::Error | State::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        };
        let (up, down) = self
            .findings
            .iter()
            .partition(|finding| finding.reason.is_none());
        let body = Body {
            status: self.state,
            info: Members(up),
            error: Members(down),
            details: Members(self.findings.iter().collect()),
        };
        (status, [(CACHE_CONTROL, NO_CACHE)], Json(body)).into_response()
    }
}

// ===== impl Members =====

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.0.len()))?;
        for finding in &self.0 {
            let status = match finding.reason {
                None => "up",
                Some(_) => "down",
            };
            members.serialize_entry(&finding.name, &Member { status })?;
        }
        members.end()
    }
}
