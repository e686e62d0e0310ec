//! The answers of the layer itself.

use std::sync::Arc;
use std::time::Duration;

use civic_envelope::{CorrelationId, ErrorBody};
use http::{Response, StatusCode};

use crate::error::Error;
use crate::layer::error_answer::error_answer;
use crate::layer::lock::body::LockBody;
use crate::lease::machine::LostReason;

/// Why [`LockLayer`](super::LockLayer) refused a request, in the extensions of its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockRefusal {
    /// Another request holds the lock. The status is 409.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// How long it will stay there unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The key of the request is not a lock name. The status is 400.
    InvalidKey(Arc<Error>),
    /// The store could not be asked. The status is 503.
    Unavailable(Arc<Error>),
    /// The lease was lost while the request was being served. The status is 503.
    Lost(LostReason),
}

impl LockRefusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Busy { .. } => StatusCode::CONFLICT,
            Self::InvalidKey(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) | Self::Lost(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "Another request holds the lock",
            Self::InvalidKey(_) => "The key of the request is not a lock name",
            Self::Unavailable(_) => "The lock service is unavailable",
            Self::Lost(_) => "The lock was lost while the request was being served",
        }
    }

    /// Whether the inner service was not called.
    pub(in crate::layer) fn is_before_the_work(&self) -> bool {
        !matches!(self, Self::Lost(_))
    }

    /// `Retry-After` says that the request was not taken. After a loss part of the work may have
    /// been done.
    fn may_retry(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable(_))
    }

    pub(super) fn into_response<B>(
        self,
        retry_after: Duration,
        correlation_id: Option<CorrelationId>,
    ) -> Response<LockBody<B>> {
        if let Self::Unavailable(error) = &self {
            tracing::warn!(%error, "request rejected: the lock store is unavailable");
        }
        let body = ErrorBody::new(self.status(), self.message());
        let retry_after = self.may_retry().then_some(retry_after);
        let mut response = error_answer(body, retry_after, correlation_id);
        response.extensions_mut().insert(self);
        response.map(LockBody::generated)
    }
}
