//! What is said to a caller whose request cannot be read.

use civic_envelope::{ErrorDetail, Failure};
use http::StatusCode;

/// How many mistakes a message names.
const MAX_NAMED: usize = 20;

/// How many mistakes are listed: as many as civic-client keeps.
const MAX_DETAILS: usize = 64;

/// What the platform's pipe says of a field that is absent.
const REQUIRED: &str = "Required";

/// Refuses a request whose values are wrong, as the platform's validation pipe does.
pub(super) fn invalid(details: impl IntoIterator<Item = ErrorDetail>) -> Failure {
    let details: Vec<ErrorDetail> = details.into_iter().collect();
    let mut message = String::from("Validation failed: ");
    for (index, detail) in details.iter().take(MAX_NAMED).enumerate() {
        if index > 0 {
            message.push_str("; ");
        }
        if !detail.field().is_empty() {
            message.push_str(detail.field());
            message.push_str(": ");
        }
        message.push_str(detail.message());
    }
    if let Some(more) = details
        .len()
        .checked_sub(MAX_NAMED)
        .filter(|more| *more > 0)
    {
        message.push_str(&format!("; and {more} more"));
    }
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        .with_error("Unprocessable Entity")
        .with_details(details.into_iter().take(MAX_DETAILS))
}

/// Returns a mistake in a field of the object at `path`, from the words of serde.
///
/// Of a field that is missing or duplicated, serde names the object as the place.
pub(super) fn mistake(object: String, words: &str) -> ErrorDetail {
    let named = |what: &str| {
        let name = words.strip_prefix(what)?.split('`').next()?;
        Some(join(&object, name))
    };
    if let Some(field) = named("missing field `") {
        ErrorDetail::new(field, REQUIRED)
    } else if let Some(field) = named("duplicate field `") {
        ErrorDetail::new(field, "Duplicate")
    } else {
        ErrorDetail::new(object, words)
    }
}

/// Writes a path such as `$.items[3].owner` as the platform does, `items.3.owner`.
pub(super) fn field(path: &str) -> String {
    path.trim_start_matches('$')
        .replace('[', ".")
        .replace(']', "")
        .trim_start_matches('.')
        .to_owned()
}

/// Joins the path of an object and the name of one of its fields.
fn join(object: &str, name: &str) -> String {
    if object.is_empty() {
        name.to_owned()
    } else {
        format!("{object}.{name}")
    }
}
