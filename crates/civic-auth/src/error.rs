//! What can be wrong: [`ConfigError`] when the process starts, [`AuthError`](crate::AuthError) when a request comes in.

use std::fmt;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// A configuration that cannot be used. It is found when the process starts, never by a request.
///
/// Neither `Display` nor `Debug` shows the value.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    variable: Option<Box<str>>,
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The environment variable is not set. Set it.
    MissingSecret,
    /// The environment variable is not UTF-8. The platform's secrets are text.
    NotUnicode,
    /// The secret is empty. Set it.
    EmptySecret,
    /// The secret is shorter than 32 bytes. Use a longer one; [`Secret::allow_weak`](crate::Secret::allow_weak) if that is impossible.
    ShortSecret,
    /// The secret looks like a PEM key. Use random text: a Node peer would change the algorithm.
    PemSecret,
    /// The key id is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    InvalidKeyId,
    /// The tolerance for clock differences is longer than 30 seconds. Repair the clocks.
    SkewTooLong,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind) -> Self {
        Self {
            kind,
            variable: None,
        }
    }

    pub(crate) fn in_variable(mut self, variable: &str) -> Self {
        self.variable = Some(variable.into());
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "{variable}: ")?;
        }
        f.write_str(match self.kind {
            ConfigErrorKind::MissingSecret => "the secret is not set",
            ConfigErrorKind::NotUnicode => "the secret is not UTF-8",
            ConfigErrorKind::EmptySecret => "the secret is empty",
            ConfigErrorKind::ShortSecret => "the secret is shorter than 32 bytes",
            ConfigErrorKind::PemSecret => "the secret looks like a PEM key",
            ConfigErrorKind::InvalidKeyId => "a key id must be 1 to 64 characters of [A-Za-z0-9_-]",
            ConfigErrorKind::SkewTooLong => "the clock tolerance is longer than 30 seconds",
        })
    }
}

impl std::error::Error for ConfigError {}

/// A request that is not let in.
///
/// What the peer is told depends on [`kind`](Self::kind) alone; the [`cause`](Self::cause) is for the log.
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
    /// 401: the token is not accepted, for whatever cause. Get a new one.
    InvalidToken,
    /// 400: the credentials contradict each other. Send one.
    InvalidRequest,
    /// 403: the token is accepted, but its role is too low.
    InsufficientRole,
}

/// Why a request is not let in, for logs and metrics. Each cause is a word of its own and never contains anything
/// that the peer has sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// Neither a Bearer token nor the cookie is there.
    NothingSent,
    /// There is more than one `Authorization` field.
    DuplicateAuthorization,
    /// There are two cookies of the token's name with different values.
    ConflictingCookies,
    /// The `Authorization` field says Bearer, and then is not one token.
    MalformedBearer,
    /// The token is longer than 4096 bytes.
    TooLarge,
    /// The token is not three parts in base64url.
    MalformedToken,
    /// The token's header is not an object, or not one that can be read in only one way.
    MalformedHeader,
    /// The token's header has a member other than `alg`, `typ` and `kid`: `crit`, `zip`, `enc`, `jwk`, …
    UnsupportedHeader,
    /// The token's algorithm is not the configured one.
    WrongAlgorithm,
    /// The token's `typ` is there and is not `JWT`.
    WrongType,
    /// The token names a key that is not in the ring.
    UnknownKey,
    /// No key of the ring made the signature.
    WrongSignature,
    /// A claim is missing, there twice, of the wrong type, empty, or contains control characters.
    MalformedClaims,
    /// The claims are half those of a service and half those of a user.
    MixedProfiles,
    /// A service token came in a cookie.
    ServiceFromCookie,
    /// A service token has no `iat`, or claims to live for something other than 1 to 30 seconds.
    ServiceLifetime,
    /// The token's `exp` has come.
    Expired,
    /// The token's `nbf` has not come.
    NotYetValid,
    /// The token's `iat` is in the future.
    IssuedInTheFuture,
    /// The role does not satisfy the requirement.
    RoleTooLow,
}

impl Cause {
    /// The name under which the cause is logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingSent => "nothing_sent",
            Self::DuplicateAuthorization => "duplicate_authorization",
            Self::ConflictingCookies => "conflicting_cookies",
            Self::MalformedBearer => "malformed_bearer",
            Self::TooLarge => "too_large",
            Self::MalformedToken => "malformed_token",
            Self::MalformedHeader => "malformed_header",
            Self::UnsupportedHeader => "unsupported_header",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::WrongSignature => "wrong_signature",
            Self::MalformedClaims => "malformed_claims",
            Self::MixedProfiles => "mixed_profiles",
            Self::ServiceFromCookie => "service_from_cookie",
            Self::ServiceLifetime => "service_lifetime",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInTheFuture => "issued_in_the_future",
            Self::RoleTooLow => "role_too_low",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AuthError {
    /// What the peer is told.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        match self.cause {
            Cause::NothingSent => AuthErrorKind::Missing,
            Cause::DuplicateAuthorization | Cause::ConflictingCookies => {
                AuthErrorKind::InvalidRequest
            }
            Cause::RoleTooLow => AuthErrorKind::InsufficientRole,
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
            | Cause::IssuedInTheFuture => AuthErrorKind::InvalidToken,
        }
    }

    /// Why. For logs and metrics only: the peer must not learn how close it came.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The status of the answer: 401, 400 or 403.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind() {
            AuthErrorKind::Missing | AuthErrorKind::InvalidToken => StatusCode::UNAUTHORIZED,
            AuthErrorKind::InvalidRequest => StatusCode::BAD_REQUEST,
            AuthErrorKind::InsufficientRole => StatusCode::FORBIDDEN,
        }
    }

    /// The message of the answer, one for each kind.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self.kind() {
            AuthErrorKind::Missing => "Missing authentication token",
            AuthErrorKind::InvalidToken => "Invalid or expired token",
            AuthErrorKind::InvalidRequest => "Ambiguous authentication token",
            AuthErrorKind::InsufficientRole => "Insufficient role permissions",
        }
    }

    /// The `WWW-Authenticate` header of the answer ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    #[must_use]
    pub fn challenge(&self) -> &'static str {
        match self.kind() {
            // RFC 6750 section 3.1: no error code for a request that lacks any authentication information.
            AuthErrorKind::Missing => r#"Bearer realm="civic""#,
            AuthErrorKind::InvalidToken => {
                r#"Bearer realm="civic", error="invalid_token", error_description="Invalid or expired token""#
            }
            AuthErrorKind::InvalidRequest => {
                r#"Bearer realm="civic", error="invalid_request", error_description="Ambiguous authentication token""#
            }
            AuthErrorKind::InsufficientRole => {
                r#"Bearer realm="civic", error="insufficient_scope", error_description="Insufficient role permissions""#
            }
        }
    }

    /// The whole answer: status, challenge, `Cache-Control: no-store` and the platform's error body.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(
        self,
        correlation_id: Option<&CorrelationId>,
    ) -> Response<B> {
        let mut response = ErrorBody::new(self.status(), self.message())
            .with_correlation_id(correlation_id.cloned())
            .into_response();
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<Cause> for AuthError {
    fn from(cause: Cause) -> Self {
        Self { cause }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message(), self.cause)
    }
}

impl std::error::Error for AuthError {}
