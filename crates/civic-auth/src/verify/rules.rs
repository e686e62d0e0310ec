//! The rules about claims: who may say what, and for how long.
//!
//! Two profiles exclude each other, so that nothing can be half a service and half a user.
//!
//! | | service | user |
//! |---|---|---|
//! | `role` | `SERVICE_ACCOUNT` | any other, in no spelling that could be mistaken for it |
//! | `userId` | the nil UUID | not nil, in no spelling of a UUID |
//! | `email` | `service@internal` | any other |
//! | `municipalityId` | `internal` | any other |
//! | `iat` | there | optional |
//! | `exp - iat` | more than 0, at most 30 seconds | not limited |
//! | comes in | the `Authorization` header | that, or the cookie |
//!
//! Then the time, with `now` and a tolerance (`skew`) for clocks that differ:
//!
//! - dead as soon as `now >= exp + skew`: without skew at `exp`, not a second later, which is Node's rule;
//! - not yet alive while `nbf > now + skew`;
//! - refused while `iat > now + max(skew, 5 s)`: nobody issues tokens in the future.
//!
//! A service token is thus accepted for at most 30 s + skew + max(skew, 5 s). All sums saturate.

use std::time::Duration;

use uuid::Uuid;

use super::source::Source;
use crate::error::Cause;
use crate::jwt::Payload;
use crate::mint::{SERVICE_EMAIL, SERVICE_LIFETIME_SECONDS, SERVICE_MUNICIPALITY, SERVICE_USER_ID};
use crate::role::Role;

/// The largest tolerance that can be asked for. It must not exceed the lifetime of a service token,
/// or "30 seconds" would mean little.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(SERVICE_LIFETIME_SECONDS);

/// How far in the future `iat` may be without a tolerance having been asked for: Node does not look at
/// `iat`, so clocks that have always differed by this much keep working.
pub(crate) const IAT_TOLERANCE: Duration = Duration::from_secs(5);

/// Whether the claims say that a service, not a person, is calling.
pub(crate) fn is_service(payload: &Payload) -> bool {
    payload.role == Role::ServiceAccount.as_str()
}

/// The identity is wholly a service's or wholly a user's.
pub(crate) fn profile(payload: &Payload) -> Result<(), Cause> {
    let kept = if is_service(payload) {
        payload.user_id == SERVICE_USER_ID
            && payload.email == SERVICE_EMAIL
            && payload.municipality_id == SERVICE_MUNICIPALITY
    } else {
        !payload
            .role
            .eq_ignore_ascii_case(Role::ServiceAccount.as_str())
            && !Uuid::parse_str(&payload.user_id).is_ok_and(|id| id.is_nil())
            && payload.email != SERVICE_EMAIL
            && payload.municipality_id != SERVICE_MUNICIPALITY
    };
    if kept {
        Ok(())
    } else {
        Err(Cause::MixedProfiles)
    }
}

/// A service token comes in the header only: a browser has no business with one.
pub(crate) fn source(payload: &Payload, source: Source) -> Result<(), Cause> {
    if is_service(payload) && source != Source::Header {
        return Err(Cause::ServiceFromCookie);
    }
    Ok(())
}

/// A service token says when it was made, and that it lives for 30 seconds or less.
pub(crate) fn lifetime(payload: &Payload) -> Result<(), Cause> {
    if !is_service(payload) {
        return Ok(());
    }
    let lifetime = payload.iat.map(|iat| payload.exp.seconds_since(iat));
    if lifetime.is_some_and(|seconds| seconds > 0.0 && seconds <= SERVICE_LIFETIME_SECONDS as f64) {
        Ok(())
    } else {
        Err(Cause::ServiceLifetime)
    }
}

pub(crate) fn expiry(payload: &Payload, now: Duration, skew: Duration) -> Result<(), Cause> {
    if now >= Duration::from_secs(payload.exp.ceil()).saturating_add(skew) {
        return Err(Cause::Expired);
    }
    Ok(())
}

pub(crate) fn not_before(payload: &Payload, now: Duration, skew: Duration) -> Result<(), Cause> {
    if payload
        .nbf
        .is_some_and(|nbf| Duration::from_secs(nbf.ceil()) > now.saturating_add(skew))
    {
        return Err(Cause::NotYetValid);
    }
    Ok(())
}

pub(crate) fn issued_at(payload: &Payload, now: Duration, skew: Duration) -> Result<(), Cause> {
    let latest = now.saturating_add(skew.max(IAT_TOLERANCE));
    if payload
        .iat
        .is_some_and(|iat| Duration::from_secs(iat.ceil()) > latest)
    {
        return Err(Cause::IssuedInTheFuture);
    }
    Ok(())
}
