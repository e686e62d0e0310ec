//! An application that enables `serde_json/arbitrary_precision`, which hands numbers with a
//! fraction to most readers as objects.

use civic_auth::{Secret, TokenMinter, TokenVerifier, internal_headers};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// A user's token whose `exp` is 253402300798.5, in the year 9999. Node signs fractions too.
const FRACTION: &str = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJ1c2VySWQiOiJ1LTEiLCJlbWFpbCI6ImFAYi5leGFtcGxlIiwicm9sZSI6IkFVRElUT1IiLCJtdW5pY2lwYWxpdHlJZCI6InRvd24tMSIsIm5hbWUiOiJBIiwiZXhwIjoyNTM0MDIzMDA3OTguNX0.\
    ygdeKz44RYeTantrRWj1Q2cxgF3boqxcno7PVXphww0";

#[test]
fn with_arbitrary_precision_in_the_graph_tokens_are_accepted() {
    // A number that only this feature keeps: proves that it is compiled in.
    let number = "1.00000000000000000000000000000000000000001";
    let value: serde_json::Value = serde_json::from_str(number).expect("a number");
    assert_eq!(value.to_string(), number);

    let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("a usable secret");
    let headers = internal_headers(&TokenMinter::new(secret.clone()), None);
    let verifier = TokenVerifier::new(secret);
    assert!(
        verifier
            .verify(&headers)
            .expect("a fresh token")
            .is_service()
    );

    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(FRACTION))]);
    let principal = verifier
        .verify(&headers)
        .expect("a time may have a fraction");
    assert_eq!(principal.expires_at(), 253_402_300_799);
}
