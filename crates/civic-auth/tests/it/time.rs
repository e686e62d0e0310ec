//! When a token is valid, and for how long.

use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{Cause, ConfigErrorKind, TokenVerifier};

use crate::support::{
    Claims, NOW, accepted, accepted_by, bearer, cookie, refused, refused_by, secret, verifier,
    verifier_at,
};

fn at(seconds: u64) -> TokenVerifier {
    verifier_at(Duration::from_secs(seconds))
}

fn with_skew(seconds: u64, skew: u64) -> TokenVerifier {
    at(seconds)
        .with_skew(Duration::from_secs(skew))
        .expect("at most 30 s")
}

#[test]
fn a_token_expires_at_exp_and_not_a_second_later() {
    for token in [
        Claims::service().token(),
        Claims::user().set("exp", NOW + 30).token(),
    ] {
        accepted_by(
            &verifier_at(Duration::from_millis(NOW * 1000 + 29_999)),
            "1 ms before",
            &token,
        );
        refused_by(&at(NOW + 30), "at exp", &token, Cause::Expired);
        refused_by(&at(NOW + 31), "after", &token, Cause::Expired);
    }
}

#[test]
fn with_skew_a_token_expires_at_exp_plus_skew() {
    let token = Claims::service().token();
    accepted_by(&with_skew(NOW + 34, 5), "1 s before", &token);
    refused_by(
        &with_skew(NOW + 35, 5),
        "at exp + skew",
        &token,
        Cause::Expired,
    );
}

#[test]
fn skew_defaults_to_zero_and_is_30_seconds_at_most() {
    assert!(format!("{:?}", TokenVerifier::new(secret())).contains("skew: 0ns"));
    assert!(verifier().with_skew(Duration::from_secs(30)).is_ok());
    let error = verifier()
        .with_skew(Duration::from_millis(30_001))
        .unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::SkewTooLong);
}

#[test]
fn a_thirty_second_token_is_refused_when_it_claims_31() {
    let lives = |seconds: u64| Claims::service().set("exp", NOW + seconds).token();
    accepted("30", &lives(30));
    accepted("1", &lives(1));
    refused("31", lives(31), Cause::ServiceLifetime);
    refused("0", lives(0), Cause::ServiceLifetime);
    refused(
        "-1",
        Claims::service().set("exp", NOW - 1).token(),
        Cause::ServiceLifetime,
    );
    refused(
        "30.5",
        Claims::service()
            .set("exp", format!("{}.5", NOW + 30))
            .token(),
        Cause::ServiceLifetime,
    );
    // Skew is about clocks, not about how long a service may live.
    refused_by(
        &with_skew(NOW, 30),
        "31 with skew",
        lives(31),
        Cause::ServiceLifetime,
    );
}

#[test]
fn a_service_token_without_iat_is_refused_and_a_user_token_is_not() {
    refused(
        "service",
        Claims::service().without("iat").token(),
        Cause::ServiceLifetime,
    );
    accepted("user", &Claims::user().without("iat").token());
}

#[test]
fn the_service_role_is_refused_from_a_cookie() {
    let error = verifier()
        .verify(&cookie(&Claims::service().token()))
        .unwrap_err();
    assert_eq!(error.cause(), Cause::ServiceFromCookie);
    assert_eq!(error.message(), "Invalid or expired token");
    assert!(verifier().verify(&cookie(&Claims::user().token())).is_ok());
}

#[test]
fn a_token_without_exp_is_refused() {
    refused(
        "service",
        Claims::service().without("exp").token(),
        Cause::MalformedClaims,
    );
    refused(
        "user",
        Claims::user().without("exp").token(),
        Cause::MalformedClaims,
    );
}

#[test]
fn only_a_number_is_a_time() {
    let quoted = format!("\"{}\"", NOW + 30);
    for value in [
        "null",
        "true",
        &quoted,
        r#""""#,
        "[]",
        "{}",
        "-1",
        "-0.5",
        "1e19",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "253402300800",
    ] {
        for name in ["exp", "iat", "nbf"] {
            refused(
                &format!("{name}: {value}"),
                Claims::user().set(name, value).token(),
                Cause::MalformedClaims,
            );
        }
    }
    for value in ["0", "-0", "1.5", "1e3"] {
        refused(
            value,
            Claims::user().set("exp", value).token(),
            Cause::Expired,
        );
    }
    accepted(
        "an exponent",
        &Claims::user().set("exp", "1.740000030e9").token(),
    );
    accepted(
        "year 9999",
        &Claims::user().set("exp", "253402300799").token(),
    );
}

#[test]
fn a_fraction_of_exp_lives_as_long_as_on_node() {
    // Node compares the whole seconds of its clock: at 1740000000.9 this token is valid.
    let token = Claims::user().set("exp", format!("{NOW}.4")).token();
    accepted_by(
        &verifier_at(Duration::from_millis(NOW * 1000 + 900)),
        "same second",
        &token,
    );
    refused_by(&at(NOW + 1), "next second", &token, Cause::Expired);
}

#[test]
fn a_token_is_refused_before_nbf() {
    let token = |nbf: u64| Claims::user().set("nbf", nbf).token();
    accepted("now", &token(NOW));
    refused("in a second", token(NOW + 1), Cause::NotYetValid);
    accepted_by(&with_skew(NOW, 5), "at the skew", &token(NOW + 5));
    refused_by(
        &with_skew(NOW, 5),
        "behind the skew",
        token(NOW + 6),
        Cause::NotYetValid,
    );
}

#[test]
fn a_token_from_the_future_is_refused_beyond_five_seconds_or_the_skew() {
    let token = |iat: u64| {
        Claims::user()
            .set("iat", iat)
            .set("exp", iat + 3600)
            .token()
    };
    accepted("5", &token(NOW + 5));
    refused("6", token(NOW + 6), Cause::IssuedInTheFuture);
    refused("a month", token(NOW + 2_592_000), Cause::IssuedInTheFuture);
    accepted_by(
        &with_skew(NOW, 2),
        "a smaller skew takes nothing away",
        &token(NOW + 5),
    );
    accepted_by(&with_skew(NOW, 30), "30", &token(NOW + 30));
    refused_by(
        &with_skew(NOW, 30),
        "31",
        token(NOW + 31),
        Cause::IssuedInTheFuture,
    );
}

#[test]
fn a_service_token_is_accepted_for_at_most_30_s_plus_skew_plus_the_tolerance_for_iat() {
    for skew in [0, 3, 5, 17, 30] {
        let token = Claims::service().token();
        let alive = (NOW - 100..NOW + 100)
            .filter(|now| with_skew(*now, skew).verify(&bearer(&token)).is_ok())
            .count();
        assert_eq!(alive as u64, 30 + skew + skew.max(5), "skew {skew}");
    }
}

#[test]
fn a_clock_at_either_end_of_time_is_not_a_panic() {
    let before = TokenVerifier::new(secret()).with_clock(|| UNIX_EPOCH - Duration::from_secs(1));
    for claims in [
        Claims::service(),
        // Without iat, only exp could tell that this one is long dead.
        Claims::user().without("iat").set("exp", 1_600_000_000),
        Claims::user().without("iat"),
    ] {
        refused_by(&before, "1969", claims.token(), Cause::Expired);
    }
    let far = verifier_at(Duration::from_secs(i64::MAX as u64 / 2))
        .with_skew(Duration::from_secs(30))
        .unwrap();
    refused_by(
        &far,
        "far",
        Claims::user().set("exp", "253402300799").token(),
        Cause::Expired,
    );
}

#[test]
fn a_clock_that_goes_backwards_makes_a_token_valid_again() {
    // No state is kept: the rules are a function of the token and the present time.
    let token = Claims::service().token();
    refused_by(&at(NOW + 30), "later", &token, Cause::Expired);
    accepted_by(&at(NOW + 29), "earlier", &token);
}
