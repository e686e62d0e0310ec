//! Any header and any claims under a good signature: no panic, `verify` and `inspect` agree, and
//! what is accepted is wholly a service or wholly a user, by a second reading of the claims.
//!
//! The input is the header, a zero byte, and the claims; without a zero byte it is only the claims.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use civic_auth::{Secret, TokenVerifier};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_740_000_000;

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let secret = Secret::new(SECRET).expect("a usable secret");
    TokenVerifier::new(secret).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
});

static KEY: LazyLock<hmac::Key> =
    LazyLock::new(|| hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()));

pub(super) fn run(data: &[u8]) {
    let (header, claims) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&br#"{"alg":"HS256","typ":"JWT"}"#[..], data),
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = hmac::sign(&KEY, signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));

    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("base64url");
    let verified = VERIFIER.verify(&HeaderMap::from_iter([(AUTHORIZATION, value)]));
    let inspection = VERIFIER.inspect(&token);
    assert_eq!(verified.is_ok(), inspection.is_accepted(), "{inspection}");
    let Ok(principal) = verified else { return };

    let header: Value = serde_json::from_slice(header).expect("an accepted header is JSON");
    assert_eq!(header["alg"], "HS256");
    assert!(matches!(header.get("typ"), None | Some(Value::String(_))));
    for refused in ["crit", "b64", "zip", "enc", "jwk", "jku", "x5c", "x5u"] {
        assert!(header.get(refused).is_none());
    }

    let claims: Value = serde_json::from_slice(claims).expect("accepted claims are JSON");
    let seconds = |name: &str| claims[name].as_f64();
    let exp = seconds("exp").expect("exp is a number");
    assert!(exp > NOW as f64);
    assert!(seconds("nbf").is_none_or(|nbf| nbf <= NOW as f64));
    assert!(seconds("iat").is_none_or(|iat| iat <= (NOW + 5) as f64));
    let reserved = [
        claims["role"] == "SERVICE_ACCOUNT",
        claims["userId"] == "00000000-0000-0000-0000-000000000000",
        claims["email"] == "service@internal",
        claims["municipalityId"] == "internal",
    ];
    assert_eq!(reserved, [principal.is_service(); 4]);
    if principal.is_service() {
        let iat = seconds("iat").expect("a service says when its token was made");
        assert!(exp > iat && exp - iat <= 30.0);
    }
    for (name, value) in [
        ("userId", principal.user_id()),
        ("email", principal.email()),
        ("role", principal.role().as_str()),
    ] {
        assert_eq!(claims[name], value);
        assert!(is_plain(value));
    }
    assert_eq!(claims["name"], principal.name());
    let municipality = principal.municipality_id();
    assert_eq!(claims["municipalityId"].as_str(), municipality);
    assert!(municipality.is_none_or(is_plain));
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}
