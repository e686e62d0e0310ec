//! What a refused caller is told.

use std::fmt;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody, Failure};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::cause::Cause;

/// A request that is not let in.
///
/// What the peer is told depends on the [`kind`](Self::kind) alone. The [`cause`](Self::cause) is
/// for the log. The answer of a guard has this error in its extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuthError {
    cause: Cause,
}

/// What the peer is told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// 401: nothing was sent. Send a token.
    Missing,
    /// 401: the token is not accepted. Get a new one.
    InvalidToken,
    /// 400: the credentials contradict each other. Send only one token.
    InvalidRequest,
    /// 403: the token is accepted, but its role is too low.
    InsufficientRole,
    /// 503: the service has no keys to verify with, or cannot tell whether the token was used
    /// before. Try again, with a new token, after `Retry-After`.
    Unavailable,
    /// 403: the token is accepted, but the request is for no municipality.
    NoTenant,
    /// 403: the token is accepted, but the request is for another municipality.
    ForeignTenant,
    /// 403: the token came in a cookie, and another site's page may have made the request. Call
    /// from a page of the service's own origin, or of a trusted one.
    CrossSite,
}

// ===== impl AuthError =====

impl AuthError {
    /// Returns what the peer is told.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        match self.cause {
            Cause::NothingSent => AuthErrorKind::Missing,
            Cause::DuplicateAuthorization | Cause::ConflictingCookies => {
                AuthErrorKind::InvalidRequest
            }
            Cause::RoleTooLow => AuthErrorKind::InsufficientRole,
            Cause::CrossSite => AuthErrorKind::CrossSite,
            Cause::MalformedBearer
            | Cause::TooLarge
            | Cause::MalformedToken
            | Cause::MalformedHeader
            | Cause::UnsupportedHeader
            | Cause::WrongAlgorithm
            | Cause::WrongType
            | Cause::UnknownKey
            | Cause::WrongSignature
            | Cause::MalformedClaims
            | Cause::MixedProfiles
            | Cause::ServiceFromCookie
            | Cause::ServiceLifetime
            | Cause::Expired
            | Cause::NotYetValid
            | Cause::IssuedInTheFuture
            | Cause::WrongIssuer
            | Cause::WrongProfile
            | Cause::WrongAudience
            | Cause::NoTokenId
            | Cause::Replayed
            | Cause::InvalidTransaction
            | Cause::ExpiredTransaction => AuthErrorKind::InvalidToken,
            Cause::NoTenant => AuthErrorKind::NoTenant,
            Cause::ForeignTenant => AuthErrorKind::ForeignTenant,
            Cause::KeysUnavailable | Cause::ReplayStoreFull | Cause::ReplayStoreUnavailable => {
                AuthErrorKind::Unavailable
            }
        }
    }

    /// Returns the cause, for logs and metrics only: the peer must not learn how close it came.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns the status of the answer: 401, 400, 403 or 503.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind() {
            AuthErrorKind::Missing | AuthErrorKind::InvalidToken => StatusCode::UNAUTHORIZED,
            AuthErrorKind::InvalidRequest => StatusCode::BAD_REQUEST,
            AuthErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            AuthErrorKind::InsufficientRole
            | AuthErrorKind::NoTenant
            | AuthErrorKind::ForeignTenant
            | AuthErrorKind::CrossSite => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the message of the answer, which is the same for all causes of a kind.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self.kind() {
            AuthErrorKind::Missing => "Missing authentication token",
            AuthErrorKind::InvalidToken => "Invalid or expired token",
            AuthErrorKind::InvalidRequest => "Ambiguous authentication token",
            AuthErrorKind::InsufficientRole => "Insufficient role permissions",
            AuthErrorKind::NoTenant => "The request is for no municipality",
            AuthErrorKind::ForeignTenant => "The request is for another municipality",
            AuthErrorKind::Unavailable => "Authentication is not available",
            AuthErrorKind::CrossSite => "Cross-site request refused",
        }
    }

    /// Returns the `WWW-Authenticate` header of the answer
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    ///
    /// `None` for a [cross-site request](AuthErrorKind::CrossSite) and
    /// [where tokens cannot be judged](AuthErrorKind::Unavailable): no other token would be let in.
    #[must_use]
    pub fn challenge(&self) -> Option<&'static str> {
        match self.kind() {
            // RFC 6750 section 3.1: no error code for a request that lacks any authentication
            // information.
            AuthErrorKind::Missing => Some(r#"Bearer realm="civic""#),
            AuthErrorKind::InvalidToken => Some(
                r#"Bearer realm="civic", error="invalid_token", error_description="Invalid or expired token""#,
            ),
            AuthErrorKind::InvalidRequest => Some(
                r#"Bearer realm="civic", error="invalid_request", error_description="Ambiguous authentication token""#,
            ),
            AuthErrorKind::InsufficientRole => Some(
                r#"Bearer realm="civic", error="insufficient_scope", error_description="Insufficient role permissions""#,
            ),
            AuthErrorKind::NoTenant => Some(
                r#"Bearer realm="civic", error="insufficient_scope", error_description="The request is for no municipality""#,
            ),
            AuthErrorKind::ForeignTenant => Some(
                r#"Bearer realm="civic", error="insufficient_scope", error_description="The request is for another municipality""#,
            ),
            AuthErrorKind::CrossSite | AuthErrorKind::Unavailable => None,
        }
    }

    /// Returns the whole answer: status, challenge, `Cache-Control: no-store` and the platform's
    /// error body, with this error in the extensions.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(
        self,
        correlation_id: impl Into<Option<CorrelationId>>,
    ) -> Response<B> {
        let mut response = ErrorBody::new(self.status(), self.message())
            .with_correlation_id(correlation_id)
            .into_response();
        response.headers_mut().extend(self.headers());
        response.extensions_mut().insert(self);
        response
    }

    /// Returns the headers of the answer, beside those of its body.
    fn headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let challenge = self
            .challenge()
            .map(|challenge| (WWW_AUTHENTICATE, challenge));
        let wait = (self.kind() == AuthErrorKind::Unavailable).then_some((RETRY_AFTER, "1"));
        [challenge, wait, Some((CACHE_CONTROL, "no-store"))]
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
    }
}

impl From<Cause> for AuthError {
    fn from(cause: Cause) -> Self {
        Self { cause }
    }
}

/// Prints what the peer is told, and not the cause: the text may end up in an answer.
impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for AuthError {}

/// The guard's answer, for a handler that refuses a caller by itself.
impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        error.headers().fold(
            Self::new(error.status(), error.message()).with_source(error),
            |failure, (name, value)| failure.with_header(name, value),
        )
    }
}
