//! On whose behalf a service calls, over several hops.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::{hkdf, hmac};
use bytes::Bytes;
use civic_auth::{
    AuthError, AuthLayer, Cause, CorrelationIdLayer, InternalHeadersLayer, KeyRing, OnBehalfOf,
    Principal, RequireRoleLayer, RequireTenantLayer, Role, TokenMinter, TokenVerifier,
    TransactionTokens,
};
use civic_testkit::log::Capture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, NOW, SECRET, bearer, minter, secret, sign, verifier};

const TXN_TOKEN: &str = "txn-token";
const HEADER: &str = r#"{"alg":"HS256","typ":"txntoken+jwt"}"#;

fn tokens(service: &str) -> TransactionTokens {
    TransactionTokens::from_secrets(secret(), service)
        .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

/// The key that is derived from a secret for this purpose.
fn derived(secret: &str, purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret.as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .expect("a key");
    key
}

fn forge(header: &str, claims: &str) -> String {
    let key = derived(SECRET, "civic txn-token v1");
    sign(hmac::HMAC_SHA256, &key, header, claims)
}

/// The claims of a token for the clerk, with one of them replaced.
fn claims(name: &str, value: &str) -> String {
    let members = [
        ("iat", NOW.to_string()),
        ("exp", (NOW + 300).to_string()),
        ("aud", r#""internal""#.to_owned()),
        ("txn", r#""req-1""#.to_owned()),
        (
            "sub",
            r#""9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11""#.to_owned(),
        ),
        ("scope", r#""internal""#.to_owned()),
        ("req_wl", r#""desk""#.to_owned()),
        (
            "tctx",
            r#"{"role":"TAX_CLERK","municipality":"town-1","name":"Zoë"}"#.to_owned(),
        ),
    ];
    let members: Vec<String> = members
        .into_iter()
        .filter(|(member, _)| *member != name || !value.is_empty())
        .map(|(member, own)| {
            let value = if member == name {
                value.to_owned()
            } else {
                own
            };
            format!("\"{member}\":{value}")
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A service that can be called.
#[derive(Clone)]
struct Peer(BoxCloneService<Request<Empty<Bytes>>, StatusCode, Infallible>);

impl Peer {
    fn new<S>(service: S) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = StatusCode, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        Self(BoxCloneService::new(service))
    }
}

/// What the last service of a chain has seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Principal, HeaderMap)>>>);

impl Seen {
    fn last(&self) -> (Principal, HeaderMap) {
        let seen = self.0.lock().expect("no test panics in between");
        seen.last().cloned().expect("it was called")
    }

    fn user(&self) -> Option<OnBehalfOf> {
        self.last().0.on_behalf_of().cloned()
    }
}

fn guard(service: &str) -> AuthLayer {
    AuthLayer::new(verifier()).with_transactions(tokens(service))
}

/// The last service, whose route needs a tenant.
fn last(seen: &Seen) -> Peer {
    let seen = seen.clone();
    Peer::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.status())
            .layer(CorrelationIdLayer::new())
            .layer(guard("last"))
            .layer(RequireTenantLayer::new())
            .service_fn(move |request: Request<Empty<Bytes>>| {
                let principal = request.extensions().get::<Principal>().cloned();
                let headers = request.headers().clone();
                let seen = Arc::clone(&seen.0);
                seen.lock()
                    .expect("no test panics in between")
                    .push((principal.expect("the guard has set it"), headers));
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            }),
    )
}

/// A service that admits with this guard, and whose handler calls the next one without doing
/// anything for the token.
fn hop(guard: AuthLayer, next: Peer) -> Peer {
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter()))
        .service(next.0);
    Peer::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.status())
            .layer(CorrelationIdLayer::new())
            .layer(guard)
            .service_fn(move |_: Request<Empty<Bytes>>| {
                let client = client.clone();
                Box::pin(async move {
                    let status = client.oneshot(Request::new(Empty::new())).await?;
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }) as Pin<Box<dyn Future<Output = Result<_, _>> + Send>>
            }),
    )
}

/// A Node service: it admits everyone here, calls with a token of its own, and forwards the header
/// or drops it.
fn node(next: Peer, forwards: bool) -> Peer {
    Peer::new(
        ServiceBuilder::new()
            .map_request(move |request: Request<Empty<Bytes>>| {
                let mut call = Request::new(Empty::new());
                *call.headers_mut() = bearer(minter().mint().as_str());
                if let Some(token) = request.headers().get(TXN_TOKEN).filter(|_| forwards) {
                    call.headers_mut().insert(TXN_TOKEN, token.clone());
                }
                call
            })
            .service(next.0),
    )
}

async fn call(peer: Peer, headers: HeaderMap) -> u16 {
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers;
    peer.0.oneshot(request).await.expect("infallible").as_u16()
}

fn clerk() -> HeaderMap {
    let mut headers = bearer(Claims::user().token());
    headers.insert("x-correlation-id", HeaderValue::from_static("req-1"));
    headers
}

#[tokio::test]
async fn after_three_hops_the_last_service_sees_the_clerk_and_the_municipality() {
    let seen = Seen::default();
    let chain = hop(guard("desk"), hop(guard("middle"), last(&seen)));
    assert_eq!(call(chain, clerk()).await, 200);
    let (principal, headers) = seen.last();
    assert!(principal.is_service());
    assert_eq!(principal.tenant(), Some("town-1"));
    let user = principal.on_behalf_of().expect("the clerk");
    assert_eq!(user.user_id(), "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11");
    assert_eq!(user.role().known(), Some(Role::TaxClerk));
    assert_eq!((user.name(), user.admitted_by()), ("Zoë", "desk"));
    assert_eq!(
        (user.transaction_id(), user.expires_at()),
        ("req-1", NOW + 300)
    );

    // The default claims, byte for byte, and unchanged over the hops.
    let expected = forge(HEADER, &claims("", ""));
    assert_eq!(headers[TXN_TOKEN], expected);
    assert!(headers[TXN_TOKEN].is_sensitive());
    assert_eq!(headers.get_all(TXN_TOKEN).iter().count(), 1);
}

#[tokio::test]
async fn a_node_service_that_forwards_the_header_is_no_gap_and_one_that_drops_it_is_403() {
    for (forwards, status) in [(true, 200), (false, 403)] {
        let seen = Seen::default();
        let chain = hop(guard("desk"), node(last(&seen), forwards));
        assert_eq!(call(chain, clerk()).await, status, "forwards: {forwards}");
        if forwards {
            assert_eq!(seen.last().0.tenant(), Some("town-1"));
        }
    }
}

#[tokio::test]
async fn the_token_is_read_from_services_only_and_not_forwarded_otherwise() {
    let foreign = forge(HEADER, &claims("sub", r#""someone-else""#));
    let with = |mut headers: HeaderMap| {
        headers.insert(TXN_TOKEN, foreign.parse().expect("a value"));
        headers
    };
    // Beside a user's token: the user who was admitted is the one.
    let seen = Seen::default();
    assert_eq!(
        call(hop(guard("desk"), last(&seen)), with(clerk())).await,
        200
    );
    let user = seen.user().expect("the clerk");
    assert_eq!(user.user_id(), "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11");

    // On a public route, and behind a guard that knows nothing of it.
    for guard in [
        guard("desk").with_public_paths(["/"]),
        AuthLayer::new(verifier()),
    ] {
        let service = bearer(minter().mint().as_str());
        let status = call(hop(guard, last(&Seen::default())), with(service)).await;
        assert_eq!(status, 403, "the next service is called for no one");
    }
}

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

#[tokio::test]
async fn a_call_that_would_forward_an_expired_token_goes_without_credentials() {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let tokens = TransactionTokens::from_secrets(secret(), "desk")
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)));
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let headers = Arc::clone(&sent);
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(TokenMinter::new(secret())))
        .service_fn(move |request: Request<Empty<Bytes>>| {
            headers
                .lock()
                .expect("one call")
                .clone_from(request.headers());
            ready(Ok::<_, Infallible>(()))
        });
    let user_expires = NOW + 60;
    let desk = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(
            AuthLayer::new(
                TokenVerifier::new(secret()).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW)),
            )
            .with_transactions(tokens),
        )
        .service_fn(move |_: Request<Empty<Bytes>>| {
            let (client, clock) = (client.clone(), Arc::clone(&clock));
            async move {
                client.clone().oneshot(Request::new(Empty::new())).await?;
                clock.store(user_expires, Ordering::Relaxed);
                client.oneshot(Request::new(Empty::new())).await?;
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = bearer(Claims::user().set("exp", user_expires).token());
    let response = desk.oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), 200);
    let sent = sent.lock().expect("no test panics in between");
    assert!(!sent.contains_key(TXN_TOKEN) && !sent.contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn the_audit_line_says_who_for_whom_and_what_and_has_no_personal_value() {
    let capture = Capture::start();
    let audited = || {
        ServiceBuilder::new()
            .layer(CorrelationIdLayer::new())
            .layer(guard("x").with_audit(|_| Some("/properties/{id}".to_owned())))
            .service_fn(|_: Request<Empty<Bytes>>| {
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            })
    };
    let mut service = bearer(minter().mint().as_str());
    service.insert(
        TXN_TOKEN,
        forge(HEADER, &claims("", "")).parse().expect("a value"),
    );
    service.insert("x-correlation-id", HeaderValue::from_static("req-7"));
    for headers in [service, HeaderMap::new()] {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = "/properties/7?name=Zoe".parse().expect("a path");
        *request.headers_mut() = headers;
        audited().oneshot(request).await.expect("infallible");
    }
    let log = capture.text();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("civic_auth::audit"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    for part in [
        "caller=\"00000000-0000-0000-0000-000000000000\"",
        "on_behalf_of=\"9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11\"",
        "tenant=\"town-1\"",
        "method=\"GET\"",
        "route=\"/properties/{id}\"",
        "outcome=\"answered\"",
        "status=200",
        "duration_ms=",
        "correlation_id=\"req-7\"",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(
        lines[1].contains("outcome=\"nothing_sent\" status=401"),
        "{}",
        lines[1]
    );
    for personal in ["Zo", "clerk@", "/properties/7"] {
        assert!(!lines.concat().contains(personal), "{log}");
    }
}

#[tokio::test]
async fn a_route_may_ask_for_the_lower_role_of_service_and_user() {
    let token = forge(HEADER, &claims("", ""));
    for (layer, with_user, status) in [
        (RequireRoleLayer::new(Role::Treasurer), true, 200),
        (
            RequireRoleLayer::new(Role::Treasurer).with_user_role(),
            true,
            403,
        ),
        (
            RequireRoleLayer::new(Role::TaxClerk).with_user_role(),
            true,
            200,
        ),
        (
            RequireRoleLayer::new(Role::Treasurer).with_user_role(),
            false,
            200,
        ),
    ] {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.headers_mut() = bearer(minter().mint().as_str());
        if with_user {
            let value = token.parse().expect("a value");
            request.headers_mut().insert(TXN_TOKEN, value);
        }
        let response = ServiceBuilder::new()
            .layer(guard("x"))
            .layer(layer)
            .service_fn(|_: Request<Empty<Bytes>>| {
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            })
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), status, "{layer:?}");
        let cause = response.extensions().get().map(AuthError::cause);
        assert_eq!(cause, (status == 403).then_some(Cause::RoleTooLow));
    }
}
