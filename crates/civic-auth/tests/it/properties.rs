//! What holds for every token, every header and every instant.

use civic_auth::{AuthErrorKind, Cause};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::support::{
    Claims, HEADER, NOW, SECRET, bearer, cookie, forge, minter, sign, verifier, verifier_at,
};

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    for token in [minter().mint().as_str().to_owned(), Claims::user().token()] {
        for position in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                let value = [b"Bearer ", &bytes[..]].concat();
                // What cannot be in a header cannot come in one.
                let Ok(value) = HeaderValue::from_bytes(&value) else {
                    continue;
                };
                let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
                let error = verifier().verify(&headers).expect_err("a changed token");
                assert_eq!(
                    error.kind(),
                    AuthErrorKind::InvalidToken,
                    "bit {bit} of {position}"
                );
            }
        }
    }
}

#[test]
fn no_character_of_a_token_can_be_left_out_doubled_or_swapped() {
    let token = minter().mint().as_str().to_owned();
    for position in 0..token.len() {
        let (start, end) = token.split_at(position);
        let mut changed = vec![
            format!("{start}{}", &end[1..]),
            format!("{start}{}{end}", &end[..1]),
            start.to_owned(),
        ];
        if end.len() > 1 && end.as_bytes()[0] != end.as_bytes()[1] {
            changed.push(format!("{start}{}{}{}", &end[1..2], &end[..1], &end[2..]));
        }
        for token in changed {
            assert!(verifier().verify(&bearer(&token)).is_err(), "{token}");
        }
    }
}

/// Any JSON, with a preference for what the rules look at.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (NOW - 60..NOW + 60).prop_map(|value| value.to_string()),
        Just(r#""SERVICE_ACCOUNT""#.to_owned()),
        Just(r#""00000000-0000-0000-0000-000000000000""#.to_owned()),
        Just(r#""service@internal""#.to_owned()),
        Just(r#""internal""#.to_owned()),
        "\\PC{0,8}".prop_map(|text| serde_json::to_string(&text).expect("a string is JSON")),
    ];
    let name = prop_oneof![
        Just("userId"),
        Just("email"),
        Just("role"),
        Just("municipalityId"),
        Just("name"),
        Just("iat"),
        Just("exp"),
        Just("nbf"),
        Just("aud"),
        Just("alg"),
        Just("typ"),
        Just("kid"),
        Just("crit"),
        Just("x"),
    ];
    leaf.prop_recursive(2, 24, 8, move |inner| {
        prop::collection::vec((name.clone(), inner), 0..10).prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        })
    })
}

/// The claims of a service or a user, except for a few members.
fn claims() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        (NOW - 40..NOW + 40).prop_map(|value| value.to_string()),
        prop::sample::select(vec![
            r#""SERVICE_ACCOUNT""#,
            r#""TAX_CLERK""#,
            r#""00000000-0000-0000-0000-000000000000""#,
            r#""service@internal""#,
            r#""internal""#,
            r#""town-1""#,
            r#""a\nb""#,
            r#""""#,
            "1.5",
            "-1",
        ])
        .prop_map(str::to_owned),
    ];
    let name = prop::sample::select(vec![
        "userId",
        "email",
        "role",
        "municipalityId",
        "name",
        "iat",
        "exp",
        "nbf",
        "x",
    ]);
    (
        any::<bool>(),
        prop::collection::vec((name, value, 0..3), 0..4),
    )
        .prop_map(|(service, changes)| {
            let claims = if service {
                Claims::service()
            } else {
                Claims::user()
            };
            let changed =
                changes
                    .into_iter()
                    .fold(claims, |claims, (name, value, how)| match how {
                        0 => claims.set(name, value),
                        1 => claims.without(name),
                        _ => claims.add(name, value),
                    });
            changed.json()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn verify_never_panics_on_arbitrary_headers(
        authorization in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3),
        cookies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3),
        prefixed in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        for bytes in &authorization {
            let bytes = if prefixed { [b"Bearer ", &bytes[..]].concat() } else { bytes.clone() };
            headers.extend(HeaderValue::from_bytes(&bytes).ok().map(|value| (AUTHORIZATION, value)));
        }
        for bytes in &cookies {
            let bytes = if prefixed { [b"app_access_token=", &bytes[..]].concat() } else { bytes.clone() };
            headers.append(COOKIE, HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("a=b")));
        }
        prop_assert!(verifier().verify(&headers).is_err());
    }

    #[test]
    fn arbitrary_bytes_under_a_good_signature_are_never_a_panic_and_never_accepted(
        header in prop::collection::vec(any::<u8>(), 0..60),
        claims in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(verifier().verify(&bearer(forge(header, &claims))).is_err());
        prop_assert!(verifier().verify(&bearer(forge(HEADER, claims))).is_err());
    }

    #[test]
    fn arbitrary_json_under_a_good_signature_is_never_a_panic_nor_a_service(header in json(), claims in json()) {
        // Making all seven members by chance is practically impossible.
        prop_assert!(verifier().verify(&bearer(forge(&header, Claims::service().json()))).is_err());
        prop_assert!(verifier().verify(&bearer(forge(HEADER, &claims))).is_err());
        let _ = verifier().inspect(&forge(header, claims));
    }

    #[test]
    fn inspect_never_panics_on_arbitrary_text(text in "\\PC{0,60}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,20}", 0..5)) {
        prop_assert!(!verifier().inspect(&text).is_accepted());
        prop_assert!(!verifier().inspect(&parts.join(".")).is_accepted());
    }

    #[test]
    fn verify_and_inspect_agree(claims in claims(), now in NOW - 50..NOW + 50, skew in 0_u64..=30) {
        let verifier = verifier_at(std::time::Duration::from_secs(now))
            .with_skew(std::time::Duration::from_secs(skew))
            .expect("at most 30 s");
        let token = forge(HEADER, claims);
        prop_assert_eq!(verifier.verify(&bearer(&token)).is_ok(), verifier.inspect(&token).is_accepted());
    }

    #[test]
    fn an_accepted_caller_is_wholly_a_service_or_wholly_a_user(claims in claims(), in_cookie in any::<bool>()) {
        let token = forge(HEADER, &claims);
        let headers = if in_cookie { cookie(&token) } else { bearer(&token) };
        if let Ok(principal) = verifier().verify(&headers) {
            let reserved = [
                principal.role().as_str() == "SERVICE_ACCOUNT",
                principal.user_id() == "00000000-0000-0000-0000-000000000000",
                principal.email() == "service@internal",
                principal.municipality_id() == Some("internal"),
            ];
            prop_assert_eq!(reserved, [principal.is_service(); 4], "{}", claims);
            prop_assert!(principal.expires_at() > NOW);
            if principal.is_service() {
                prop_assert!(!in_cookie);
                let iat = principal.issued_at().expect("a service token has iat");
                prop_assert!((1..=30).contains(&(principal.expires_at() - iat)));
            }
        }
    }

    #[test]
    fn a_token_made_with_another_key_is_never_accepted(key in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assume!(key.as_slice() != SECRET.as_bytes());
        // HMAC pads a short key with zeroes: those are the same key.
        prop_assume!(key.strip_prefix(SECRET.as_bytes()).is_none_or(|rest| rest.iter().any(|byte| *byte != 0)));
        let token = sign(aws_lc_rs::hmac::HMAC_SHA256, &key, HEADER, Claims::service().json());
        let error = verifier().verify(&bearer(token)).expect_err("another key");
        prop_assert_eq!(error.cause(), Cause::WrongSignature);
    }
}
