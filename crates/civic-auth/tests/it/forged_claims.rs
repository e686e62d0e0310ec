//! Odd claims under a good signature: every one is refused, with one message for all.

use civic_auth::Cause;

use crate::support::{Claims, HEADER, NOW, accepted, bearer, forge, refused, verifier};

#[test]
fn claims_that_can_be_read_in_two_ways_are_refused() {
    let service_role = r#""SERVICE_ACCOUNT""#;
    let reader = r#""READ_ONLY""#;
    let rows = [
        (
            "role twice, service last",
            Claims::user().add("role", service_role),
        ),
        (
            "role twice, service first",
            Claims::user().set("role", service_role).add("role", reader),
        ),
        (
            "role twice, the same",
            Claims::user().add("role", r#""TAX_CLERK""#),
        ),
        (
            "role escaped",
            Claims::user().add(r"ro\u006ce", service_role),
        ),
        (
            "role escaped, first",
            Claims::user().add_first(r"\u0072ole", service_role),
        ),
        ("userId twice", Claims::user().add("userId", r#""other""#)),
        ("exp twice", Claims::user().add("exp", NOW + 9)),
        ("exp escaped", Claims::user().add(r"e\u0078p", NOW + 9)),
        (
            "an unknown member twice",
            Claims::user().add("x", 1).add("x", 2),
        ),
        (
            "an unknown member escaped",
            Claims::user().add("x", 1).add(r"\u0078", 2),
        ),
        (
            "email twice",
            Claims::service().add("email", r#""service@internal""#),
        ),
        ("nbf twice", Claims::user().add("nbf", 1).add("nbf", 1)),
        ("iat twice", Claims::service().add("iat", NOW)),
    ];
    for (name, claims) in rows {
        refused(name, claims.token(), Cause::MalformedClaims);
    }
}

#[test]
fn claims_that_are_not_one_json_object_are_refused() {
    let user = Claims::user().json();
    let inner = user.trim_start_matches('{').trim_end_matches('}');
    let deep = format!("{}{}", "[".repeat(1300), "]".repeat(1300));
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("BOM", format!("\u{feff}{user}").into()),
        ("trailing garbage", format!("{user}x").into()),
        ("two documents", format!("{user}{user}").into()),
        ("comment", format!("{{/* */{inner}}}").into()),
        ("single quotes", user.replace('"', "'").into()),
        ("trailing comma", format!("{{{inner},}}").into()),
        ("NaN", Claims::user().set("exp", "NaN").json().into()),
        (
            "Infinity",
            Claims::user().set("exp", "Infinity").json().into(),
        ),
        ("array", format!("[{user}]").into()),
        ("string", b"\"user\"".into()),
        ("number", b"1740000030".into()),
        ("null", b"null".into()),
        ("empty object", b"{}".into()),
        (
            "lone surrogate",
            Claims::user().set("name", r#""\ud800""#).json().into(),
        ),
        (
            "lone surrogate in a name",
            Claims::user().add(r"\ud800", 1).json().into(),
        ),
        (
            "not UTF-8",
            [user.as_bytes().split_last().unwrap().1, b",\"x\":\"\xff\"}"].concat(),
        ),
        (
            "overlong",
            [
                user.as_bytes().split_last().unwrap().1,
                b",\"x\":\"\xc0\xaf\"}",
            ]
            .concat(),
        ),
        (
            "deep where a string belongs",
            Claims::user().set("name", deep).json().into(),
        ),
        ("nested claims only", format!("{{\"user\":{user}}}").into()),
        (
            "nested exp only",
            Claims::user()
                .without("exp")
                .add("x", format!("{{\"exp\":{}}}", NOW + 9))
                .json()
                .into(),
        ),
        (
            "UTF-16",
            user.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("MessagePack", vec![0x81, 0xa4, b'r', b'o', b'l', b'e']),
    ];
    for (name, claims) in rows {
        refused(name, forge(HEADER, claims), Cause::MalformedClaims);
    }
}

#[test]
fn unknown_members_have_no_effect() {
    let deep = format!("{}{}", "[".repeat(1200), "]".repeat(1200));
    accepted(
        "unknown",
        &Claims::user()
            .add("scope", r#"["a",{"role":"SERVICE_ACCOUNT"}]"#)
            .token(),
    );
    accepted(
        "__proto__",
        &Claims::user()
            .add("__proto__", r#"{"role":"SERVICE_ACCOUNT"}"#)
            .token(),
    );
    accepted("deep", &Claims::user().add("x", deep).token());
}

#[test]
fn every_claim_of_identity_must_be_present_and_be_plain_text() {
    for name in ["userId", "email", "role", "name"] {
        for claims in [Claims::user(), Claims::service()] {
            for (what, claims) in [
                ("absent", claims.clone().without(name)),
                ("null", claims.clone().set(name, "null")),
            ] {
                refused(
                    &format!("{name}: {what}"),
                    claims.token(),
                    Cause::MalformedClaims,
                );
            }
        }
    }
    for name in ["userId", "email", "role", "municipalityId"] {
        for value in [
            "5",
            "true",
            "[]",
            "{}",
            r#"["TAX_CLERK"]"#,
            r#""""#,
            r#""a\nb""#,
            r#""a\u0000""#,
            r#""\u007f""#,
            r#""\u0085""#,
        ] {
            refused(
                &format!("{name}: {value}"),
                Claims::user().set(name, value).token(),
                Cause::MalformedClaims,
            );
        }
    }
    for value in ["5", "true", "[]", "{}"] {
        refused(
            &format!("name: {value}"),
            Claims::user().set("name", value).token(),
            Cause::MalformedClaims,
        );
    }
    for role in [
        r#"" SERVICE_ACCOUNT""#,
        r#""SERVICE_ACCOUNT ""#,
        r#""ＳＥＲＶＩＣＥ""#,
        r#""TAX CLERK""#,
    ] {
        refused(
            role,
            Claims::user().set("role", role).token(),
            Cause::MalformedClaims,
        );
    }
    refused(
        "long role",
        Claims::user()
            .set("role", format!("\"{}\"", "R".repeat(65)))
            .token(),
        Cause::MalformedClaims,
    );
    accepted(
        "a role that is not known",
        &Claims::user().set("role", r#""MAYOR""#).token(),
    );
}

#[test]
fn a_user_may_have_no_municipality_and_a_service_has_its_own() {
    for (what, change) in [
        (
            "absent",
            (|claims| claims.without("municipalityId")) as fn(Claims) -> Claims,
        ),
        ("null", |claims| claims.set("municipalityId", "null")),
    ] {
        let headers = bearer(change(Claims::user()).token());
        let principal = verifier().verify(&headers).expect("a user without a town");
        assert_eq!(principal.municipality_id(), None, "{what}");
        refused(
            what,
            change(Claims::service()).token(),
            Cause::MixedProfiles,
        );
    }
    // A duplicate is refused, even if one of the two is null.
    refused(
        "null and a town",
        Claims::user()
            .set("municipalityId", "null")
            .add("municipalityId", r#""town-1""#)
            .token(),
        Cause::MalformedClaims,
    );
}

#[test]
fn half_a_service_and_half_a_user_is_refused() {
    let rows = [
        (
            "service role alone",
            Claims::user().set("role", r#""SERVICE_ACCOUNT""#),
        ),
        (
            "service role, user's id",
            Claims::service().set("userId", r#""9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11""#),
        ),
        (
            "service role, user's address",
            Claims::service().set("email", r#""clerk@town.example""#),
        ),
        (
            "service role, a town",
            Claims::service().set("municipalityId", r#""town-1""#),
        ),
        (
            "service but for the role",
            Claims::service().set("role", r#""TAX_CLERK""#),
        ),
        (
            "role in lower case",
            Claims::service().set("role", r#""service_account""#),
        ),
        (
            "user's role in lower case",
            Claims::user().set("role", r#""service_account""#),
        ),
        (
            "nil id",
            Claims::user().set("userId", r#""00000000-0000-0000-0000-000000000000""#),
        ),
        (
            "nil id, no dashes",
            Claims::user().set("userId", r#""00000000000000000000000000000000""#),
        ),
        (
            "nil id, braces",
            Claims::user().set("userId", r#""{00000000-0000-0000-0000-000000000000}""#),
        ),
        (
            "nil id, a name for resources",
            Claims::user().set(
                "userId",
                r#""URN:UUID:00000000-0000-0000-0000-000000000000""#,
            ),
        ),
        (
            "nil id, as databases read it",
            Claims::user().set("userId", r#""0000-0000-0000-0000-0000-0000-0000-0000""#),
        ),
        (
            "nil id, dashes anywhere",
            Claims::user().set("userId", r#""00000000-0000----0000-0000-000000000000""#),
        ),
        (
            "service's address",
            Claims::user().set("email", r#""service@internal""#),
        ),
        (
            "service's municipality",
            Claims::user().set("municipalityId", r#""internal""#),
        ),
    ];
    for (name, claims) in rows {
        refused(name, claims.token(), Cause::MixedProfiles);
    }
}

#[test]
fn registered_claims_of_the_wrong_type_are_refused() {
    for aud in ["5", "{}", "[]", "[5]", r#"["me",5]"#, "null", "true"] {
        refused(
            aud,
            Claims::user().add("aud", aud).token(),
            Cause::MalformedClaims,
        );
    }
    for name in ["iss", "sub", "jti"] {
        for value in ["5", "{}", "[]", "null"] {
            refused(
                name,
                Claims::user().add(name, value).token(),
                Cause::MalformedClaims,
            );
        }
        accepted(name, &Claims::user().add(name, r#""text""#).token());
    }
    // No service name can be configured yet, so no audience is the wrong one.
    accepted("aud", &Claims::user().add("aud", r#""other""#).token());
    accepted(
        "aud list",
        &Claims::user().add("aud", r#"["other","me"]"#).token(),
    );
}

#[test]
fn a_persons_name_may_be_any_text_and_the_municipality_may_be_absent() {
    for name in [
        r#""""#,
        r#""a\tb""#,
        r#""a\nb""#,
        r#""\u202e\u2028""#,
        r#""O'Neil; DROP""#,
    ] {
        accepted(name, &Claims::user().set("name", name).token());
    }
    accepted(
        "null",
        &Claims::user().set("municipalityId", "null").token(),
    );
    accepted("absent", &Claims::user().without("municipalityId").token());
    let principal = verifier()
        .verify(&bearer(
            Claims::user().set("municipalityId", "null").token(),
        ))
        .expect("a user");
    assert_eq!(principal.municipality_id(), None);
}
