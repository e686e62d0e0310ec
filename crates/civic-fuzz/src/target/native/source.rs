//! Any `Authorization` and `Cookie` fields: no panic, and no caller comes in with two
//! `Authorization` fields, with two different cookies, with a cookie beside a Bearer, or as a
//! service with a cookie.
//!
//! Each line of the input is a field: `A` and a value of `Authorization`, or a value of `Cookie`. A
//! byte 1 stands for a user's token, a byte 2 for a service's token.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{Role, Secret, TokenMinter, TokenVerifier, UserClaims};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};

struct Fixture {
    verifier: TokenVerifier,
    user: String,
    service: String,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let now = || UNIX_EPOCH + Duration::from_secs(1_740_000_000);
    let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("a usable secret");
    let minter = TokenMinter::new(secret.clone()).with_clock(now);
    let user = UserClaims::new(
        "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11",
        "a@b.example",
        Role::Auditor,
    );
    Fixture {
        verifier: TokenVerifier::new(secret).with_clock(now),
        user: minter
            .mint_for(&user, Duration::from_secs(60))
            .as_str()
            .to_owned(),
        service: minter.mint().as_str().to_owned(),
    }
});

pub(super) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let (mut authorizations, mut cookies) = (Vec::new(), Vec::new());
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value, fields) = match line {
            [b'A', value @ ..] => (AUTHORIZATION, value, &mut authorizations),
            value => (COOKIE, value, &mut cookies),
        };
        let mut bytes = Vec::new();
        for byte in value {
            match byte {
                1 => bytes.extend_from_slice(FIXTURE.user.as_bytes()),
                2 => bytes.extend_from_slice(FIXTURE.service.as_bytes()),
                byte => bytes.push(*byte),
            }
        }
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.append(name, value);
            fields.push(bytes);
        }
    }

    let verified = FIXTURE.verifier.verify(&headers);
    if authorizations.len() > 1 {
        assert_eq!(
            verified.map_err(|error| error.status().as_u16()).err(),
            Some(400)
        );
        return;
    }
    let Ok(principal) = verified else { return };

    let authorization = authorizations
        .first()
        .map(|field| field.trim_ascii().to_ascii_lowercase());
    let bearer = authorization
        .as_ref()
        .is_some_and(|field| field.starts_with(b"bearer "));
    let token = if principal.is_service() {
        &FIXTURE.service
    } else {
        &FIXTURE.user
    };
    if bearer {
        let field = authorizations[0].trim_ascii();
        assert_eq!(
            field[b"bearer ".len()..].trim_ascii_start(),
            token.as_bytes()
        );
        return;
    }
    assert!(!principal.is_service(), "a service came in by a cookie");
    // Every cookie of the name has the same value.
    let values: Vec<_> = cookies
        .iter()
        .flat_map(|field| field.split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let text = String::from_utf8_lossy(pair).into_owned();
            let (name, value) = text.split_once('=')?;
            let value = value.trim_matches([' ', '\t']);
            let unquoted = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            (name.trim_matches([' ', '\t']) == "app_access_token")
                .then(|| unquoted.unwrap_or(value).to_owned())
        })
        .collect();
    assert!(!values.is_empty() && values.iter().all(|value| value == token));
}
