//! [`Principal`] as an argument of an axum handler.

use std::convert::Infallible;
use std::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use civic_envelope::CorrelationId;
use http::request::Parts;

use crate::context::RequestContext;
use crate::error::{AuthError, Cause};
use crate::verify::Principal;

/// The rejection of a handler that wants a [`Principal`] where no guard has set one.
///
/// The answer is the platform's 401.
#[derive(Clone, Debug)]
pub struct PrincipalRejection {
    error: AuthError,
    correlation_id: Option<CorrelationId>,
}

impl IntoResponse for PrincipalRejection {
    fn into_response(self) -> Response {
        self.error.into_response::<Body>(self.correlation_id)
    }
}

impl fmt::Display for PrincipalRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for PrincipalRejection {}

/// Extracts the caller, and answers 401 where no guard is in front.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = PrincipalRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PrincipalRejection> {
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::warn!(
                "a handler needs a Principal, and no guard has let this request in: put an \
                     AuthLayer in front of the route, take its path out of the public ones, or ask \
                     for Option<Principal>"
            );
            PrincipalRejection {
                error: Cause::NothingSent.into(),
                correlation_id: RequestContext::correlation_id_for(
                    &parts.headers,
                    &parts.extensions,
                ),
            }
        })
    }
}

/// Extracts the caller, for a route that is reached both through a guard and without one.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
