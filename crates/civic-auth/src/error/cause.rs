//! Why a request is not let in.

use std::fmt;

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
    /// No key of the set has the token's algorithm.
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
    /// The token's `iss` is not the one that the key may speak for, or is missing.
    WrongIssuer,
    /// The token is of a service or of a user, and its key may not speak for that kind.
    WrongProfile,
    /// The token's `aud` does not name this service, or is missing where it is required.
    WrongAudience,
    /// There are no keys to verify with.
    KeysUnavailable,
    /// The request has more than one transaction token, or one that is not valid.
    InvalidTransaction,
    /// The request's transaction token has expired.
    ExpiredTransaction,
    /// The request is for no municipality, and the route needs one.
    NoTenant,
    /// The request is for another municipality.
    ForeignTenant,
    /// The token has no `jti`, and one is required.
    NoTokenId,
    /// The token was used before, and each may be used only once.
    Replayed,
    /// The store of used tokens has no room for another one.
    ReplayStoreFull,
    /// The store of used tokens does not answer.
    ReplayStoreUnavailable,
    /// The role does not satisfy the requirement.
    RoleTooLow,
    /// The token came in a cookie, and another site's page may have made the request.
    CrossSite,
}

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
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongProfile => "wrong_profile",
            Self::WrongAudience => "wrong_audience",
            Self::KeysUnavailable => "keys_unavailable",
            Self::InvalidTransaction => "invalid_transaction",
            Self::ExpiredTransaction => "expired_transaction",
            Self::NoTenant => "no_tenant",
            Self::ForeignTenant => "foreign_tenant",
            Self::NoTokenId => "no_token_id",
            Self::Replayed => "replayed",
            Self::ReplayStoreFull => "replay_store_full",
            Self::ReplayStoreUnavailable => "replay_store_unavailable",
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
