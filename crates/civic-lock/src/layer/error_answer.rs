//! The form of an answer that a layer makes itself.

use std::time::Duration;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response};

/// Writes an error in the platform's shape. `retry_after` says that the request was not taken, and
/// when it may come again: whole seconds, rounded up, at least one.
pub(super) fn error_answer(
    body: ErrorBody,
    retry_after: Option<Duration>,
    correlation_id: Option<CorrelationId>,
) -> Response<Bytes> {
    let mut response = body.with_correlation_id(correlation_id).into_response();
    if let Some(after) = retry_after {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
