//! The answers of the layer itself.

use std::time::Duration;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use crate::error::ErrorKind;
use crate::layer::body::LockBody;
use crate::outcome::Acquisition;

pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    pub(super) retry_after: Option<Duration>,
}

pub(super) fn refusal(outcome: &Acquisition, retry_after: Duration) -> Refusal {
    let (status, message, retry_after) = match outcome {
        Acquisition::Busy { .. } => (
            StatusCode::CONFLICT,
            "Another request holds the lock",
            Some(retry_after),
        ),
        Acquisition::Unavailable(error) if error.kind() == ErrorKind::Name => (
            StatusCode::BAD_REQUEST,
            "The key of the request is not a lock name",
            None,
        ),
        Acquisition::Unavailable(error) => {
            tracing::warn!(%error, "a request was turned away for want of a lock");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "The lock service is unavailable",
                Some(retry_after),
            )
        }
        Acquisition::Acquired(_) => unreachable!("an acquired lock is not a refusal"),
    };
    Refusal {
        status,
        message,
        retry_after,
    }
}

impl Refusal {
    pub(super) fn into_response<B>(self, correlation_id: Option<String>) -> Response<LockBody<B>> {
        let mut body = ErrorBody::new(self.status, self.message);
        if let Some(id) = correlation_id {
            body = body.with_correlation_id(CorrelationId::parse(&id).ok());
        }
        let mut response: Response<Bytes> = body.into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.map(LockBody::made)
    }
}
