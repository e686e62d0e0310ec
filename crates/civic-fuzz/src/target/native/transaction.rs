//! Any header and any claims as a transaction token under a good signature, beside a good service
//! token: no panic, and a user is seen only if a second reading of the claims allows it. A token
//! that is not accepted is refused and never the same as none.
//!
//! The input is the header, a zero byte, and the claims; without a zero byte it is only the claims.
//! An input that begins with a zero byte is the token itself, which no one has signed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use civic_auth::{
    AuthLayer, CorrelationIdLayer, OnBehalfOf, Principal, Secret, TokenMinter, TokenVerifier,
    TransactionTokens,
};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use serde_json::Value;
use tower_layer::Layer as _;
use tower_service::Service;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_740_000_000;

static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(SECRET.as_bytes())
        .expand(&[b"civic txn-token v1"], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .expect("a key");
    hmac::Key::new(hmac::HMAC_SHA256, &key)
});

fn secret() -> Secret {
    Secret::new(SECRET).expect("a usable secret")
}

/// Answers with the user whom it sees, in the extensions.
#[derive(Clone)]
struct Handler;

struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

impl Service<Request<Nothing>> for Handler {
    type Response = Response<Nothing>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Nothing>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Nothing>) -> Self::Future {
        let caller: &Principal = request.extensions().get().expect("the guard has set it");
        let mut response = Response::new(Nothing);
        if let Some(user) = caller.on_behalf_of() {
            response.extensions_mut().insert(user.clone());
        }
        ready(Ok(response))
    }
}

pub(super) fn run(data: &[u8]) {
    let token = match data.iter().position(|byte| *byte == 0) {
        Some(0) => data[1..].to_vec(),
        Some(end) => signed(&data[..end], &data[end + 1..]).into_bytes(),
        None => signed(br#"{"alg":"HS256","typ":"txntoken+jwt"}"#, data).into_bytes(),
    };
    let Ok(value) = HeaderValue::from_bytes(&token) else {
        return;
    };
    let clock = || UNIX_EPOCH + Duration::from_secs(NOW);
    let service = TokenMinter::new(secret()).with_clock(clock).mint();
    let mut request = Request::new(Nothing);
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, service.to_header_value());
    headers.insert("txn-token", value);

    let guard = AuthLayer::new(TokenVerifier::new(secret()).with_clock(clock))
        .with_transactions(TransactionTokens::from_secrets(secret(), "fuzz").with_clock(clock));
    let mut guarded = CorrelationIdLayer::new().layer(guard.layer(Handler));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(guarded.call(request)).poll(&mut context) else {
        panic!("the guard and the handler are ready at once");
    };
    let user = response.extensions().get::<OnBehalfOf>();
    assert_eq!(user.is_some(), response.status() == 200);
    if let Some(user) = user {
        assert_ne!(data.first(), Some(&0), "no one has signed it");
        let claims = token
            .split(|byte| *byte == b'.')
            .nth(1)
            .expect("three parts");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        accepted(user, &serde_json::from_slice(&claims).expect("JSON"));
    } else {
        assert_eq!(response.status(), 401);
    }
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = hmac::sign(&KEY, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A second statement of the rules about the claims.
fn accepted(user: &OnBehalfOf, claims: &Value) {
    let seconds = |name: &str| claims[name].as_u64().expect("a whole number");
    let (iat, exp) = (seconds("iat"), seconds("exp"));
    assert!(exp > NOW && exp > iat && exp - iat <= 300 && iat <= NOW + 5);
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&"internal".into(), &"internal".into())
    );
    let context = &claims["tctx"];
    for (value, read) in [
        (&claims["sub"], user.user_id()),
        (&claims["txn"], user.transaction_id()),
        (&claims["req_wl"], user.admitted_by()),
        (&context["role"], user.role().as_str()),
    ] {
        assert_eq!(value, read);
        assert!(!read.is_empty() && read.len() <= 256 && !read.chars().any(char::is_control));
    }
    assert_eq!(context["municipality"].as_str(), user.municipality_id());
    assert_eq!(context["name"], user.name());
    assert!(!user.role().as_str().eq_ignore_ascii_case("SERVICE_ACCOUNT"));
    assert_ne!(user.municipality_id(), Some("internal"));
    let zeros = user.user_id().bytes().filter(|byte| *byte == b'0').count();
    let is_spelled = user.user_id().bytes().all(|byte| b"0-{}".contains(&byte));
    assert!(!(is_spelled && zeros == 32), "the id of every service");
}
