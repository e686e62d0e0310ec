//! Which tokens are refused.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac;
use civic_auth::{AuthLayer, Cause, KeyRing, TransactionTokens};
use http::HeaderMap;

use super::{HEADER, Seen, TXN_TOKEN, call, claims, derived, forge, hop, last, tokens};
use crate::support::{Claims, NOW, SECRET, bearer, cookie, minter, secret, sign, verifier};

#[tokio::test]
async fn none_of_300_forged_widened_expired_or_foreign_tokens_comes_in() {
    let mut tokens: Vec<String> = Vec::new();
    let others = [
        (
            "iat",
            &["", "null", "\"1\"", "-1", "1740000006", "9e9", "[]"][..],
        ),
        (
            "exp",
            &[
                "",
                "null",
                "\"1\"",
                "0",
                "1740000000",
                "1740000301",
                "1739999999",
                "9e99",
            ],
        ),
        (
            "aud",
            &[
                "",
                "null",
                "\"\"",
                "\"other\"",
                "[\"internal\"]",
                "7",
                "\"Internal\"",
            ],
        ),
        ("txn", &["", "null", "\"\"", "7", "\"a\\nb\""]),
        (
            "sub",
            &[
                "",
                "null",
                "\"\"",
                "7",
                "\"a\\u0000\"",
                "\"00000000-0000-0000-0000-000000000000\"",
                "\"00000000000000000000000000000000\"",
                "\"0000-0000-0000-0000-0000-0000-0000-0000\"",
            ],
        ),
        ("scope", &["", "null", "\"\"", "\"all\"", "[\"internal\"]"]),
        ("req_wl", &["", "null", "\"\"", "[\"desk\"]"]),
        (
            "tctx",
            &[
                "",
                "null",
                "[]",
                "{}",
                r#"{"role":"SERVICE_ACCOUNT","municipality":"town-1","name":"x"}"#,
                r#"{"role":"service_account","municipality":"town-1","name":"x"}"#,
                r#"{"role":"","municipality":"town-1","name":"x"}"#,
                r#"{"role":"TAX_CLERK","role":"TREASURER","municipality":"town-1","name":"x"}"#,
                r#"{"role":"TAX_CLERK","municipality":"internal","name":"x"}"#,
                r#"{"role":"TAX_CLERK","municipality":"","name":"x"}"#,
                r#"{"role":"TAX_CLERK","municipality":7,"name":"x"}"#,
                r#"{"role":"TAX_CLERK","municipality":"town-1"}"#,
            ],
        ),
    ];
    for (name, values) in others {
        for value in values {
            tokens.push(forge(HEADER, &claims(name, value)));
        }
    }
    let good = claims("", "");
    tokens.push(forge(HEADER, &good.replacen('{', r#"{"sub":"x","#, 1)));
    for header in [
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"none","typ":"txntoken+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"txntoken+jwt"}"#,
        r#"{"alg":"HS256","typ":"txntoken+jwt","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"txntoken+jwt","kid":"../x"}"#,
    ] {
        tokens.push(forge(header, &good));
    }
    // Keys that are not the derived one.
    for key in [
        SECRET.as_bytes().to_vec(),
        derived(SECRET, "civic txn-token v2").to_vec(),
        derived(SECRET, "").to_vec(),
        derived("another secret of thirty-two byte", "civic txn-token v1").to_vec(),
        Vec::new(),
    ] {
        tokens.push(sign(hmac::HMAC_SHA256, &key, HEADER, &good));
    }
    // An access token, and a good token with any one character changed or missing.
    tokens.push(Claims::user().token());
    tokens.push(minter().mint().as_str().to_owned());
    tokens.push(String::new());
    let whole = forge(HEADER, &good);
    let signed_at = whole.rfind('.').expect("three parts");
    for at in 0..whole.len() {
        let mut changed = whole.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        tokens.push(String::from_utf8(changed).expect("ASCII"));
        if at > signed_at {
            tokens.push(whole[..at].to_owned());
        }
    }
    assert!(tokens.len() >= 300, "{}", tokens.len());

    let seen = Seen::default();
    let admitted = last(&seen);
    let mut headers = bearer(minter().mint().as_str());
    headers.insert(TXN_TOKEN, whole.parse().expect("a value"));
    assert_eq!(
        call(admitted.clone(), headers.clone()).await,
        200,
        "the good one"
    );
    headers.append(TXN_TOKEN, whole.parse().expect("a value"));
    assert_eq!(call(admitted.clone(), headers).await, 401, "two of them");
    for token in tokens {
        let mut headers = bearer(minter().mint().as_str());
        headers.insert(TXN_TOKEN, token.parse().expect("a value"));
        assert_eq!(call(admitted.clone(), headers).await, 401, "{token}");
    }
    assert_eq!(seen.0.lock().expect("no test panics in between").len(), 1);
}

#[tokio::test]
async fn a_token_that_was_overheard_admits_no_one_and_is_dead_when_it_has_expired() {
    let token = forge(HEADER, &claims("", ""));
    let with = |mut headers: HeaderMap| {
        headers.insert(TXN_TOKEN, token.parse().expect("a value"));
        headers
    };
    let seen = Seen::default();
    for (name, headers) in [
        ("alone", HeaderMap::new()),
        ("as an access token", bearer(&token)),
        ("as the cookie", cookie(&token)),
    ] {
        assert_eq!(call(last(&seen), with(headers)).await, 401, "{name}");
    }
    // Beside the token of another user it does not count.
    let other = Claims::user().set("municipalityId", r#""town-2""#);
    assert_eq!(call(last(&seen), with(bearer(other.token()))).await, 200);
    assert_eq!(seen.last().0.tenant(), Some("town-2"));
    assert_eq!(seen.user(), None);

    for (later, status) in [(299, 200), (300, 401), (100_000, 401)] {
        let tokens =
            tokens("last").with_clock(move || UNIX_EPOCH + Duration::from_secs(NOW + later));
        let guard = AuthLayer::new(verifier()).with_transactions(tokens);
        let peer = hop(guard, last(&Seen::default()));
        let headers = with(bearer(minter().mint().as_str()));
        assert_eq!(call(peer, headers).await, status, "after {later} s");
    }
}

#[tokio::test]
async fn a_previous_secret_verifies_and_another_trust_domain_does_not() {
    let token = forge(HEADER, &claims("", ""));
    let other = "ffffffffffffffffffffffffffffffff";
    let ring =
        KeyRing::new(civic_auth::Secret::new(other).expect("a secret")).with_previous(secret());
    let at = |tokens: TransactionTokens| {
        let tokens = tokens.with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW));
        hop(
            AuthLayer::new(verifier()).with_transactions(tokens),
            last(&Seen::default()),
        )
    };
    let mut headers = bearer(minter().mint().as_str());
    headers.insert(TXN_TOKEN, token.parse().expect("a value"));
    let rotated = TransactionTokens::from_secrets(ring, "x");
    assert_eq!(call(at(rotated.clone()), headers.clone()).await, 200);
    let domain = rotated.with_trust_domain("other");
    assert_eq!(call(at(domain), headers).await, 401);
}

#[test]
fn a_transaction_token_is_no_access_token() {
    let token = forge(HEADER, &claims("", ""));
    let error = verifier().verify(&bearer(&token)).unwrap_err();
    assert_eq!(error.cause(), Cause::WrongType);
    // A Node guard does not look at `typ`: the key alone has to keep it out.
    let plain = forge(r#"{"alg":"HS256","typ":"JWT"}"#, &claims("", ""));
    let error = verifier().verify(&bearer(&plain)).unwrap_err();
    assert_eq!(error.cause(), Cause::WrongSignature);
}
