//! What can be wrong: [`ConfigError`] when the process starts, [`AuthError`] when a request comes
//! in.

use std::fmt;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// A configuration that cannot be used.
///
/// It is found when the process starts, never while a request is served. Neither `Display` nor
/// `Debug` shows the value.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    variable: Option<Box<str>>,
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The environment variable is not set. Set it to the same value on every service.
    MissingSecret,
    /// The environment variable is not UTF-8. The platform's secrets are text.
    NotUnicode,
    /// The secret is empty. Set it to the same value on every service.
    EmptySecret,
    /// The secret is shorter than 32 bytes. Use a longer one, or
    /// [`Secret::allow_weak`](crate::Secret::allow_weak) if that is impossible.
    ShortSecret,
    /// The secret looks like a PEM key. Use random text: a Node peer would change the algorithm.
    PemSecret,
    /// The key id is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    InvalidKeyId,
    /// The name of the cookie is not one that a cookie can have.
    InvalidCookieName,
    /// A trusted origin is not a scheme, a host and possibly a port.
    InvalidOrigin,
    /// The tolerance for clock differences is longer than 30 seconds. Correct the clocks instead.
    SkewTooLong,
}

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
    /// 403: the token came in a cookie, and another site's page may have made the request. Call
    /// from a page of the service's own origin, or of a trusted one.
    CrossSite,
}

/// Why a request is not let in, for logs and metrics.
///
/// Each cause is a constant word and never contains anything that the peer has sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The request has neither a Bearer token nor the cookie.
    NothingSent,
    /// The request has more than one `Authorization` field.
    DuplicateAuthorization,
    /// The request has two cookies of the token's name with different values.
    ConflictingCookies,
    /// The `Authorization` field says Bearer, but one token does not follow.
    MalformedBearer,
    /// The token is longer than 4096 bytes.
    TooLarge,
    /// The token is not three parts in base64url.
    MalformedToken,
    /// The token's header is not a JSON object, or can be read in more than one way.
    MalformedHeader,
    /// The token's header has a member that would have to be understood, for example `crit`, or
    /// that offers a key.
    UnsupportedHeader,
    /// The token's algorithm is not the configured one.
    WrongAlgorithm,
    /// The token's `typ` is present and is neither `JWT` nor `at+jwt`.
    WrongType,
    /// The token names a key that is not in the ring.
    UnknownKey,
    /// No key of the ring made the signature.
    WrongSignature,
    /// A claim is missing, duplicated, of the wrong type, empty, or contains control characters.
    MalformedClaims,
    /// Some claims are those of a service and some are those of a user.
    MixedProfiles,
    /// A service token came in a cookie.
    ServiceFromCookie,
    /// A service token has no `iat`, or its lifetime is not 1 to 30 seconds.
    ServiceLifetime,
    /// The token's `exp` has passed.
    Expired,
    /// The token's `nbf` is in the future.
    NotYetValid,
    /// The token's `iat` is in the future.
    IssuedInTheFuture,
    /// The role does not satisfy the requirement.
    RoleTooLow,
    /// The token came in a cookie, and another site's page may have made the request.
    CrossSite,
}

// ===== impl ConfigError =====

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

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable.as_deref();
        let name = variable.unwrap_or("the secret");
        match self.kind {
            ConfigErrorKind::MissingSecret => write!(f, "{name} is not set")?,
            ConfigErrorKind::NotUnicode => write!(f, "{name} is not UTF-8 text")?,
            ConfigErrorKind::EmptySecret => write!(f, "{name} is empty")?,
            ConfigErrorKind::ShortSecret => write!(f, "{name} is shorter than 32 bytes")?,
            ConfigErrorKind::PemSecret => write!(
                f,
                "{name} looks like a PEM key, which would change the algorithm of Node services"
            )?,
            ConfigErrorKind::InvalidKeyId => {
                return f.write_str("a key id must be 1 to 64 characters of [A-Za-z0-9_-]");
            }
            ConfigErrorKind::InvalidCookieName => {
                return f.write_str(
                    "the name of the cookie has characters that a cookie's name cannot have: \
                     choose one of letters, digits and dashes",
                );
            }
            ConfigErrorKind::InvalidOrigin => {
                return f.write_str(
                    "a trusted origin is not a scheme, a host and possibly a port: write it as \
                     browsers send it, for example https://desk.town.example",
                );
            }
            ConfigErrorKind::SkewTooLong => {
                return f.write_str(
                    "the clock tolerance is longer than 30 seconds: choose a shorter one and \
                     correct the clocks",
                );
            }
        }
        let variable = variable.unwrap_or("JWT_SECRET");
        write!(
            f,
            ". Set it to the same value on every service, for example: \
             export {variable}=$(openssl rand -hex 32)"
        )
    }
}

impl std::error::Error for ConfigError {}

// ===== impl Cause =====

impl Cause {
    /// Returns the word under which the cause is logged.
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
            Self::CrossSite => "cross_site",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
            | Cause::IssuedInTheFuture => AuthErrorKind::InvalidToken,
        }
    }

    /// Returns the cause, for logs and metrics only: the peer must not learn how close it came.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns the status of the answer: 401, 400 or 403.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind() {
            AuthErrorKind::Missing | AuthErrorKind::InvalidToken => StatusCode::UNAUTHORIZED,
            AuthErrorKind::InvalidRequest => StatusCode::BAD_REQUEST,
            AuthErrorKind::InsufficientRole | AuthErrorKind::CrossSite => StatusCode::FORBIDDEN,
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
            AuthErrorKind::CrossSite => "Cross-site request refused",
        }
    }

    /// Returns the `WWW-Authenticate` header of the answer
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    ///
    /// `None` for a [cross-site request](AuthErrorKind::CrossSite), which no other token would let
    /// in.
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
            AuthErrorKind::CrossSite => None,
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
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
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
