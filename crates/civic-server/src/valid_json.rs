//! A request body that keeps the rules of its type.

use std::fmt::Write as _;

use axum::extract::{FromRequest, Request};
use civic_envelope::Failure;
use garde::{Report, Validate};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::json::Json;

/// How many broken rules an answer names.
const MAX_NAMED: usize = 20;

/// A JSON request body that keeps the rules of its type, which are garde's.
///
/// Rejects a request as [`Json`] does, and answers 422 to a body that breaks a rule. The message
/// names the first 20 broken rules, each by its path and garde's words.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidJson<T>(pub T);

impl<T, S> FromRequest<S> for ValidJson<T>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Json(value) = Json::<T>::from_request(request, state).await?;
        match value.validate() {
            Ok(()) => Ok(Self(value)),
            Err(report) => Err(Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                message(&report),
            )),
        }
    }
}

fn message(report: &Report) -> String {
    let mut message = String::from("Validation failed");
    let mut separator = ": ";
    for (path, error) in report.iter().take(MAX_NAMED) {
        // Writing to a String cannot fail.
        let _ = write!(message, "{separator}{path}: {error}");
        separator = "; ";
    }
    if let Some(more) = report
        .iter()
        .count()
        .checked_sub(MAX_NAMED)
        .filter(|more| *more > 0)
    {
        let _ = write!(message, "; and {more} more");
    }
    message
}
