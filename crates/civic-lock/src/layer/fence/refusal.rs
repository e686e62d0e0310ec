//! The answers of the layer itself.

use std::sync::Arc;
use std::time::Duration;

use civic_envelope::{CorrelationId, ErrorBody};
use http::{Response, StatusCode};

use crate::error::Error;
use crate::layer::error_answer::error_answer;
use crate::layer::fence::body::FenceBody;
use crate::name::LockName;

/// Why [`FenceLayer`](super::FenceLayer) refused a request, in the extensions of its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FenceRefusal {
    /// `X-Fence` cannot be read. The status is 400.
    Malformed {
        /// What is wrong, in words that complete "X-Fence ".
        reason: &'static str,
    },
    /// The layer requires the fence of a lock, and the request does not have that one. The status
    /// is 400.
    Missing,
    /// The route knows no lock of this name. The status is 400.
    UnknownLock {
        /// The lock that the request named.
        name: LockName,
    },
    /// The fence is further ahead of the store's clock than any can be. The status is 400.
    AheadOfClock {
        /// The lock that the request named.
        name: LockName,
        /// The fence of the request.
        fence: u64,
    },
    /// The lease has no lock behind it: its fence is 0. The status is 409.
    Unprotected {
        /// The lock that the request named.
        name: LockName,
    },
    /// A later holder's fence was let in before. The status is 409.
    Stale {
        /// The lock that the request named.
        name: LockName,
        /// The fence of the request.
        fence: u64,
        /// The largest fence that was let in.
        largest: u64,
    },
    /// The store could not be asked. The status is 503.
    Unavailable(Arc<Error>),
}

impl FenceRefusal {
    fn body(&self) -> ErrorBody {
        let (status, message, code) = match self {
            Self::Malformed { reason } => (
                StatusCode::BAD_REQUEST,
                format!("X-Fence {reason}"),
                "fence_malformed",
            ),
            Self::Missing => (
                StatusCode::BAD_REQUEST,
                "X-Fence must have the fence of the lock that this request needs".to_owned(),
                "fence_missing",
            ),
            // The name is the caller's own, and may be long: it is not repeated.
            Self::UnknownLock { .. } => (
                StatusCode::BAD_REQUEST,
                "X-Fence names a lock that this route does not know".to_owned(),
                "fence_unknown_lock",
            ),
            Self::AheadOfClock { .. } => (
                StatusCode::BAD_REQUEST,
                "X-Fence has a fence that is more than 24 hours ahead of the clock: it is not one \
                 that a lease has"
                    .to_owned(),
                "fence_ahead_of_clock",
            ),
            Self::Unprotected { .. } => (
                StatusCode::CONFLICT,
                "The fence is 0: there is no lock behind the lease".to_owned(),
                "fence_unprotected",
            ),
            Self::Stale { .. } => (
                StatusCode::CONFLICT,
                "The fence is older than that of a later holder of the lock".to_owned(),
                "fence_stale",
            ),
            Self::Unavailable(_) => {
                let message = "The lock service is unavailable";
                return ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, message);
            }
        };
        ErrorBody::new(status, message).with_error(code)
    }

    pub(super) fn into_response<B>(
        self,
        retry_after: Duration,
        correlation_id: Option<CorrelationId>,
    ) -> Response<FenceBody<B>> {
        match &self {
            Self::Unavailable(error) => {
                tracing::warn!(%error, "request rejected: the lock store is unavailable");
            }
            Self::Stale {
                name,
                fence,
                largest,
            } => {
                tracing::warn!(lock = %name, fence, largest, "request rejected: its fence is stale");
            }
            _ => {}
        }
        // Only this one was not taken for a reason that passes.
        let retry_after = matches!(self, Self::Unavailable(_)).then_some(retry_after);
        let mut response = error_answer(self.body(), retry_after, correlation_id);
        response.extensions_mut().insert(self);
        response.map(FenceBody::generated)
    }
}
