//! The rules about claims: who may say what, and for how long.
//!
//! Two profiles exclude each other, so that no token can be half a service and half a user.
//!
//! | | service | user |
//! |---|---|---|
//! | `role` | `SERVICE_ACCOUNT` | any other, in no spelling that could be mistaken for it |
//! | `userId` | the nil UUID | not nil, in no spelling of a UUID |
//! | `email` | `service@internal` | any other |
//! | `municipalityId` | `internal` | any other, or none |
//! | `iat` | required | optional |
//! | `exp - iat` | more than 0, at most 30 seconds | not limited |
//! | comes in | the `Authorization` header | the header or the cookie |
//!
//! Then the time, with `now` and a tolerance (`skew`) for clocks that differ:
//!
//! - expired as soon as `now >= exp + skew`: without skew at `exp` and not a second later, which is
//!   Node's rule;
//! - not yet valid while `nbf > now + skew`;
//! - refused while `iat > now + max(skew, 5 s)`: no service issues tokens in the future.
//!
//! A service token is thus accepted for at most 30 s + skew + max(skew, 5 s). All sums saturate.
//!
//! [`CLAIM_RULES`] is the one list of these rules. The verifier and the inspection both walk it.

use std::sync::Arc;
use std::time::Duration;

use super::source::Source;
use crate::error::Cause;
use crate::jwt::Payload;
use crate::key::{Profile, VerifyingKey};
use crate::mint::{SERVICE_EMAIL, SERVICE_LIFETIME_SECONDS, SERVICE_MUNICIPALITY, SERVICE_USER_ID};
use crate::person::is_nil;
use crate::role::Role;

/// The largest tolerance that can be asked for. It must not exceed the lifetime of a service token,
/// or "30 seconds" would mean little.
pub(super) const MAX_SKEW: Duration = Duration::from_secs(SERVICE_LIFETIME_SECONDS);

/// How far in the future `iat` may be even without a tolerance. Node does not look at `iat`, so
/// clocks that have always differed by this much keep working.
const IAT_TOLERANCE: Duration = Duration::from_secs(5);

/// The rules about claims, in the order in which they are checked.
pub(super) const CLAIM_RULES: [ClaimRule; 9] = [
    ClaimRule {
        name: "profile",
        check: Evidence::profile,
        describe: Evidence::describe_profile,
    },
    ClaimRule {
        name: "source",
        check: Evidence::source,
        describe: Evidence::describe_source,
    },
    ClaimRule {
        name: "lifetime",
        check: Evidence::lifetime,
        describe: Evidence::describe_lifetime,
    },
    ClaimRule {
        name: "exp",
        check: Evidence::expiry,
        describe: Evidence::describe_expiry,
    },
    ClaimRule {
        name: "nbf",
        check: Evidence::not_before,
        describe: Evidence::describe_not_before,
    },
    ClaimRule {
        name: "iat",
        check: Evidence::issued_at,
        describe: Evidence::describe_issued_at,
    },
    ClaimRule {
        name: "issuer",
        check: Evidence::issuer,
        describe: Evidence::describe_issuer,
    },
    ClaimRule {
        name: "audience",
        check: Evidence::audience,
        describe: Evidence::describe_audience,
    },
    ClaimRule {
        name: "jti",
        check: Evidence::token_id,
        describe: Evidence::describe_token_id,
    },
];

/// One rule about claims.
pub(super) struct ClaimRule {
    pub(super) name: &'static str,
    pub(super) check: fn(&Evidence) -> Result<(), Cause>,
    /// Tells an operator what was found, whether the rule is kept or broken.
    pub(super) describe: fn(&Evidence) -> String,
}

/// What the rules look at: the claims, how the token came, and the time.
pub(super) struct Evidence {
    pub(super) payload: Payload,
    pub(super) source: Source,
    /// The time since 1970.
    pub(super) now: Duration,
    pub(super) skew: Duration,
    /// The key that made the signature, if one did.
    pub(super) key: Option<VerifyingKey>,
    pub(super) names: Names,
}

/// What a verifier asks of `iss`, `aud` and `jti`.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The name of the service, which a present `aud` must have.
    pub(super) service: Option<Arc<str>>,
    pub(super) audience: Presence,
    pub(super) issuer: Presence,
    /// Of the tokens of services. Those of users come many times, and need none.
    pub(super) token_id: Presence,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Presence {
    #[default]
    Optional,
    Required,
}

/// Returns whether the claims are wholly those of a service or wholly those of a user.
pub(super) fn is_one_profile(payload: &Payload) -> bool {
    let municipality = payload.municipality_id.as_deref();
    if is_service(payload) {
        payload.user_id == SERVICE_USER_ID
            && payload.email == SERVICE_EMAIL
            && municipality == Some(SERVICE_MUNICIPALITY)
    } else {
        !payload
            .role
            .eq_ignore_ascii_case(Role::ServiceAccount.as_str())
            && !is_nil(&payload.user_id)
            && payload.email != SERVICE_EMAIL
            && municipality != Some(SERVICE_MUNICIPALITY)
    }
}

/// Returns whether the claims say that the caller is a service and not a person.
pub(super) fn is_service(payload: &Payload) -> bool {
    payload.role == Role::ServiceAccount.as_str()
}

fn claimed_lifetime(payload: &Payload) -> Option<f64> {
    payload.iat.map(|iat| payload.exp.seconds_since(iat))
}

// ===== impl Evidence =====

impl Evidence {
    fn profile(&self) -> Result<(), Cause> {
        if is_one_profile(&self.payload) {
            Ok(())
        } else {
            Err(Cause::MixedProfiles)
        }
    }

    fn describe_profile(&self) -> String {
        let payload = &self.payload;
        match (is_one_profile(payload), is_service(payload)) {
            (true, true) => "all claims are those of a service",
            (true, false) => "all claims are those of a user",
            (false, _) => {
                "half a service and half a user: role, userId, email and municipalityId do not belong \
                 together"
            }
        }
        .to_owned()
    }

    /// A service token comes in the header only: a browser has no use for one.
    fn source(&self) -> Result<(), Cause> {
        if is_service(&self.payload) && self.source != Source::Header {
            return Err(Cause::ServiceFromCookie);
        }
        Ok(())
    }

    fn describe_source(&self) -> String {
        if is_service(&self.payload) {
            "a service token may come in the Authorization header only"
        } else {
            "a user token may come in the Authorization header or in the cookie"
        }
        .to_owned()
    }

    /// A service token says when it was made, and that it lives for 30 seconds or less.
    fn lifetime(&self) -> Result<(), Cause> {
        if !is_service(&self.payload) {
            return Ok(());
        }
        let allowed = |seconds: f64| seconds > 0.0 && seconds <= SERVICE_LIFETIME_SECONDS as f64;
        if claimed_lifetime(&self.payload).is_some_and(allowed) {
            Ok(())
        } else {
            Err(Cause::ServiceLifetime)
        }
    }

    fn describe_lifetime(&self) -> String {
        match (is_service(&self.payload), claimed_lifetime(&self.payload)) {
            (false, _) => "a user token may have any lifetime".to_owned(),
            (true, Some(seconds)) => format!(
                "the lifetime is {seconds} s; that of a service token must be more than 0 s and at \
                 most {SERVICE_LIFETIME_SECONDS} s"
            ),
            (true, None) => "iat is missing, which a service token must have".to_owned(),
        }
    }

    fn expiry(&self) -> Result<(), Cause> {
        if self.now >= self.accepted_until() {
            return Err(Cause::Expired);
        }
        Ok(())
    }

    fn describe_expiry(&self) -> String {
        let exp = self.payload.exp.ceil();
        self.describe_instant("exp", exp, self.skew)
    }

    fn not_before(&self) -> Result<(), Cause> {
        let latest = self.now.saturating_add(self.skew);
        let nbf = self.payload.nbf;
        if nbf.is_some_and(|nbf| Duration::from_secs(nbf.ceil()) > latest) {
            return Err(Cause::NotYetValid);
        }
        Ok(())
    }

    fn describe_not_before(&self) -> String {
        self.payload.nbf.map_or_else(
            || "the token has no nbf".to_owned(),
            |nbf| self.describe_instant("nbf", nbf.ceil(), self.skew),
        )
    }

    fn issued_at(&self) -> Result<(), Cause> {
        let latest = self.now.saturating_add(self.iat_tolerance());
        let iat = self.payload.iat;
        if iat.is_some_and(|iat| Duration::from_secs(iat.ceil()) > latest) {
            return Err(Cause::IssuedInTheFuture);
        }
        Ok(())
    }

    fn describe_issued_at(&self) -> String {
        self.payload.iat.map_or_else(
            || "the token has no iat".to_owned(),
            |iat| self.describe_instant("iat", iat.ceil(), self.iat_tolerance()),
        )
    }

    /// A key speaks for the issuer and the profile that it is bound to, and for no other.
    fn issuer(&self) -> Result<(), Cause> {
        let key = self.key.as_ref();
        let named = self.payload.iss.as_deref();
        if key
            .and_then(VerifyingKey::issuer)
            .is_some_and(|bound| named != Some(bound))
            || (self.names.issuer == Presence::Required && named.is_none())
        {
            return Err(Cause::WrongIssuer);
        }
        let profile = if is_service(&self.payload) {
            Profile::Service
        } else {
            Profile::User
        };
        if key
            .and_then(VerifyingKey::profile)
            .is_some_and(|bound| bound != profile)
        {
            return Err(Cause::WrongProfile);
        }
        Ok(())
    }

    fn describe_issuer(&self) -> String {
        let named = match &self.payload.iss {
            Some(iss) => format!("iss is {iss:?}"),
            None => "the token has no iss".to_owned(),
        };
        let bound = match self.key.as_ref().and_then(VerifyingKey::issuer) {
            Some(issuer) => format!("the key speaks for {issuer:?} only"),
            None => "the key is bound to no issuer".to_owned(),
        };
        let profile = match self.key.as_ref().and_then(VerifyingKey::profile) {
            Some(Profile::Service) => ", and for services only",
            Some(Profile::User) => ", and for users only",
            None => "",
        };
        format!("{named}; {bound}{profile}")
    }

    /// A token for another service is none for this one (RFC 7519 section 4.1.3).
    fn audience(&self) -> Result<(), Cause> {
        let Some(own) = &self.names.service else {
            return Ok(());
        };
        match &self.payload.aud {
            Some(names) if names.iter().any(|name| **name == **own) => Ok(()),
            None if self.names.audience == Presence::Optional => Ok(()),
            Some(_) | None => Err(Cause::WrongAudience),
        }
    }

    fn describe_audience(&self) -> String {
        let named = match &self.payload.aud {
            Some(names) => format!("aud is {names:?}"),
            None => "the token has no aud".to_owned(),
        };
        match &self.names.service {
            Some(own) => format!("{named}; this service is {own:?}"),
            None => format!("{named}; this service has no name, so it is not looked at"),
        }
    }

    /// Where each service token is to be used once, it needs an id.
    fn token_id(&self) -> Result<(), Cause> {
        let missing = self.payload.jti.as_deref().is_none_or(str::is_empty);
        if missing && is_service(&self.payload) && self.names.token_id == Presence::Required {
            return Err(Cause::NoTokenId);
        }
        Ok(())
    }

    fn describe_token_id(&self) -> String {
        let named = match &self.payload.jti {
            Some(id) => format!("jti is {id:?}"),
            None => "the token has no jti".to_owned(),
        };
        let required = match self.names.token_id {
            Presence::Required => "a service token needs one here",
            Presence::Optional => "none is needed here",
        };
        format!("{named}; {required}")
    }

    /// Returns how long a verifier may accept the token.
    pub(super) fn accepted_until(&self) -> Duration {
        Duration::from_secs(self.payload.exp.ceil()).saturating_add(self.skew)
    }

    fn iat_tolerance(&self) -> Duration {
        self.skew.max(IAT_TOLERANCE)
    }

    /// Says what a claim is, what the time is, and how far apart the two are.
    fn describe_instant(&self, claim: &str, instant: u64, tolerance: Duration) -> String {
        let now = self.now.as_secs();
        let distance = if instant > now {
            format!("{} s from now", instant - now)
        } else {
            format!("{} s ago", now - instant)
        };
        let tolerance = tolerance.as_secs_f64();
        format!("{claim} is {instant}, now is {now} ({distance}), the tolerance is {tolerance} s")
    }
}
