//! What became of a request with a key.

use std::sync::Arc;
use std::time::Duration;

use civic_envelope::{CorrelationId, ErrorBody};
use http::{Response, StatusCode};

use crate::error::Error;
use crate::layer::error_answer::error_answer;
use crate::layer::idempotency::body::IdempotencyBody;

/// What [`IdempotencyLayer`](super::IdempotencyLayer) has made of a request with a key, in the
/// extensions of its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IdempotencyVerdict {
    /// The request was executed, and its answer is recorded.
    Executed,
    /// The request was executed and has done nothing: the key is as if it had not been used.
    NothingDone,
    /// The request was executed, and this is its answer, but it could not be recorded: the key is
    /// in doubt.
    NotRecorded(Arc<Error>),
    /// The request was executed before. This is the answer that is stored.
    Replayed,
    /// The request was executed before, and its answer is not kept. The status is 409.
    AnswerNotKept,
    /// The first request with the key is being executed. The status is 409, with `Retry-After`.
    Running,
    /// The request was begun, and no one knows what became of it. The status is 409; or that of
    /// the handler, if its body has ended with an error.
    InDoubt,
    /// The key was used for another request. The status is 422.
    KeyReused,
    /// The key cannot be read. The status is 400.
    MalformedKey {
        /// What is wrong, in words that complete "Idempotency-Key ".
        reason: &'static str,
    },
    /// The layer requires a key, and the request has none. The status is 400.
    MissingKey,
    /// The request has a key and no scope. The status is 400.
    NoScope,
    /// The request's body is longer than 1 MiB. The status is 413.
    BodyTooLarge,
    /// The request's body could not be read. The status is 400.
    BodyUnreadable,
    /// The store could not be asked. The status is 503.
    Unavailable(Arc<Error>),
}

impl IdempotencyVerdict {
    /// The answer of the layer itself. One that has the handler's answer has none of its own.
    pub(super) fn into_response<B>(
        self,
        retry_after: Duration,
        correlation_id: Option<CorrelationId>,
    ) -> Response<IdempotencyBody<B>> {
        match &self {
            Self::Unavailable(error) => {
                tracing::warn!(%error, "request rejected: the lock store is unavailable");
            }
            Self::InDoubt => tracing::warn!(
                "request rejected: what became of an earlier one with its Idempotency-Key is not known"
            ),
            _ => {}
        }
        let may_retry = matches!(self, Self::Running | Self::Unavailable(_));
        let body = self.body();
        let retry_after = may_retry.then_some(retry_after);
        let mut response = error_answer(body, retry_after, correlation_id);
        response.extensions_mut().insert(self);
        response.map(IdempotencyBody::generated)
    }

    fn body(&self) -> ErrorBody {
        let (status, message, code) = match self {
            Self::Running => (
                StatusCode::CONFLICT,
                "The first request with this Idempotency-Key is still running",
                "idempotency_running",
            ),
            Self::AnswerNotKept => (
                StatusCode::CONFLICT,
                "The request with this Idempotency-Key was carried out, and its answer is not kept",
                "idempotency_answer_not_kept",
            ),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "This Idempotency-Key was used for another request: send a new one",
                "idempotency_key_reused",
            ),
            Self::MalformedKey { reason } => {
                let message = format!("Idempotency-Key {reason}");
                return ErrorBody::new(StatusCode::BAD_REQUEST, message)
                    .with_error("idempotency_key_malformed");
            }
            Self::MissingKey => (
                StatusCode::BAD_REQUEST,
                "Idempotency-Key is required here: send a new one with each request, and the same \
                 one when it is repeated",
                "idempotency_key_missing",
            ),
            Self::NoScope => (
                StatusCode::BAD_REQUEST,
                "Idempotency-Key is not honoured here: it is not known who calls",
                "idempotency_no_scope",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body of a request with an Idempotency-Key may have 1 MiB",
                "idempotency_body_too_large",
            ),
            Self::BodyUnreadable => (
                StatusCode::BAD_REQUEST,
                "The body could not be read",
                "idempotency_body_unreadable",
            ),
            Self::Unavailable(_) => {
                let message = "The lock service is unavailable";
                return ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, message);
            }
            Self::InDoubt
            | Self::Executed
            | Self::NothingDone
            | Self::NotRecorded(_)
            | Self::Replayed => (
                StatusCode::CONFLICT,
                "It is not known whether the request with this Idempotency-Key was carried out: \
                 look at its effect before you send it with a new key",
                "idempotency_in_doubt",
            ),
        };
        ErrorBody::new(status, message).with_error(code)
    }
}
