//! Every default that the documentation names, and what pins it.
//!
//! A sentence `Defaults to …` without a row here, and a row without such a sentence, fail the test.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use civic_auth::{
    Algorithm, AuthLayer, CORRELATION_ID, Cause, CookieRules, CorrelationIdLayer,
    InternalHeadersLayer, KeyRing, KeySet, KeySetService, MemoryReplayStore, OnStoreOutage,
    Principal, Profile, ReplayProtection, ReplayStore, ReplayStoreError, RequestContext,
    RequireRoleLayer, Role, SharedKeySet, SigningKey, TokenMinter, TokenUse, TokenVerifier,
    TransactionTokens, UsedToken, UserClaims, VerifyingKey,
};
use civic_testkit::defaults::documented;
use civic_testkit::log::Capture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, NOW, bearer, cookie, minter, secret, verifier};

/// A default: the file and the function whose documentation names it, and whether it is so.
struct Default {
    at: &'static str,
    holds: fn() -> bool,
}

const DEFAULTS: &[Default] = &[
    Default {
        at: "context/mod.rs with_correlation_id",
        holds: || RequestContext::default().correlation_id().is_none(),
    },
    Default {
        at: "context/mod.rs with_deadline",
        holds: no_deadline,
    },
    Default {
        at: "context/mod.rs with_retry_attempt_of",
        holds: || RequestContext::default().retry_attempt().is_none(),
    },
    Default {
        at: "context/mod.rs with_trace_of",
        holds: || {
            let context = RequestContext::default();
            context.traceparent().is_none() && context.tracestate().is_none()
        },
    },
    Default {
        at: "key/ring.rs with_previous",
        holds: || KeySet::from(KeyRing::new(secret())).iter().count() == 1,
    },
    Default {
        at: "key/secret.rs with_id",
        holds: || minter().mint().as_str() == Claims::service().token(),
    },
    Default {
        at: "key/signing.rs with_id",
        holds: || {
            let named = secret().with_id("a").expect("an id");
            eddsa().id().is_none() && SigningKey::from(named).id() == Some("a")
        },
    },
    Default {
        at: "key/verifying.rs issued_by",
        holds: || {
            let verifier = verifier_of(public());
            let minter = TokenMinter::new(eddsa());
            accepts(&verifier, &minter) && accepts(&verifier, &minter.with_issuer("billing"))
        },
    },
    Default {
        at: "key/verifying.rs only",
        holds: || {
            let service = TokenMinter::new(eddsa()).mint();
            let user = TokenMinter::new(eddsa()).mint_for(&user(), Duration::from_secs(60));
            let verifier = verifier_of(public());
            [service, user]
                .iter()
                .all(|token| verifier.verify(&bearer(token.as_str())).is_ok())
                && public().profile().is_none()
                && public().only(Profile::User).profile() == Some(Profile::User)
        },
    },
    Default {
        at: "key/verifying.rs with_id",
        holds: || {
            let named = eddsa().with_id("any-id").expect("an id");
            public().id().is_none() && accepts(&verifier_of(public()), &TokenMinter::new(named))
        },
    },
    Default {
        at: "key_set.rs with_issuer",
        holds: || published(KeySet::from(public()).with_key(public().issued_by("billing"))) == 2,
    },
    Default {
        at: "key_set.rs with_max_age",
        holds: || {
            let service = KeySetService::new(SharedKeySet::new(public()));
            let answer = run(service.oneshot(Request::new(()))).expect("infallible");
            answer.headers()["cache-control"] == "public, max-age=300"
        },
    },
    Default {
        at: "layer/auth.rs with_anonymous_callers",
        holds: || status_of(AuthLayer::new(verifier()), HeaderMap::new()) == 401,
    },
    Default {
        at: "layer/auth.rs with_audit",
        holds: || {
            let capture = Capture::start();
            status_of(AuthLayer::new(verifier()), service_headers());
            !capture.text().contains("civic_auth::audit")
        },
    },
    Default {
        at: "layer/auth.rs with_public_paths",
        holds: || {
            ["/", "/health", "/health/ready", "*"].iter().all(|path| {
                let mut request = Request::new(Empty::new());
                *request.uri_mut() = path.parse().expect("a path");
                respond(AuthLayer::new(verifier()), request) == 401
            })
        },
    },
    Default {
        at: "layer/auth.rs with_replay_protection",
        holds: || {
            let headers = bearer(minter().with_token_ids().mint().as_str());
            let guard = AuthLayer::new(verifier());
            (0..3).all(|_| status_of(guard.clone(), headers.clone()) == 200)
        },
    },
    Default {
        at: "layer/auth.rs with_transactions",
        holds: || {
            let mut headers = service_headers();
            headers.insert("txn-token", HeaderValue::from_static("not one"));
            status_of(AuthLayer::new(verifier()), headers) == 200
                && sent_by(AuthLayer::new(verifier()), user_headers())
                    .get("txn-token")
                    .is_none()
        },
    },
    Default {
        at: "layer/role.rs with_user_role",
        holds: || {
            let guard = || AuthLayer::new(verifier()).with_transactions(tokens());
            let mut headers = service_headers();
            headers.insert(
                "txn-token",
                sent_by(guard(), user_headers())["txn-token"].clone(),
            );
            let mut request = Request::new(Empty::<Bytes>::new());
            *request.headers_mut() = headers;
            let service = ServiceBuilder::new()
                .layer(guard())
                .layer(RequireRoleLayer::new(Role::SystemAdmin))
                .service_fn(answer);
            run(service.oneshot(request)).expect("infallible").status() == 200
        },
    },
    Default {
        at: "mint/claims.rs with_municipality",
        holds: || claims_of(&user_token(&user()))["municipalityId"].is_null(),
    },
    Default {
        at: "mint/claims.rs with_name",
        holds: || claims_of(&user_token(&user()))["name"] == "clerk@town.example",
    },
    Default {
        at: "mint/minter.rs for_audience",
        holds: || claims_of(minter().mint().as_str())["aud"].is_null(),
    },
    Default {
        at: "mint/minter.rs with_clock",
        holds: || is_now(&claims_of(TokenMinter::new(secret()).mint().as_str())["iat"]),
    },
    Default {
        at: "mint/minter.rs with_issuer",
        holds: || claims_of(minter().mint().as_str())["iss"].is_null(),
    },
    Default {
        at: "mint/minter.rs with_token_ids",
        holds: || claims_of(minter().mint().as_str())["jti"].is_null(),
    },
    Default {
        at: "replay/memory.rs with_clock",
        holds: || {
            let store = MemoryReplayStore::new(10);
            let token = UsedToken::new(None, "a");
            let ahead = Duration::from_secs(600);
            let mut uses = [ahead, ahead, Duration::ZERO]
                .into_iter()
                .map(|ahead| run(store.remember(token, SystemTime::now() + ahead)).ok());
            uses.next() == Some(Some(TokenUse::First))
                && uses.all(|again| again == Some(TokenUse::Repeated))
                // What has ended by now is forgotten at once.
                && [TokenUse::First; 2].into_iter().all(|first| {
                    let token = UsedToken::new(None, "b");
                    run(store.remember(token, SystemTime::now() - ahead)).ok() == Some(first)
                })
        },
    },
    Default {
        at: "replay/protection.rs with_every_method",
        holds: || {
            [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE]
                .iter()
                .all(|method| second_use(method) == 200)
                && [Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
                    .iter()
                    .all(|method| second_use(method) == 401)
        },
    },
    Default {
        at: "replay/protection.rs with_timeout",
        holds: waits_a_second_for_the_store,
    },
    Default {
        at: "txn/tokens.rs with_clock",
        holds: || {
            let tokens = TransactionTokens::from_secrets(secret(), "desk");
            is_now(&transaction_of(tokens)["iat"])
        },
    },
    Default {
        at: "txn/tokens.rs with_trust_domain",
        holds: || transaction_of(tokens())["aud"] == "internal",
    },
    Default {
        at: "verify/cookie.rs named",
        holds: || verifier().verify(&cookie(&Claims::user().token())).is_ok(),
    },
    Default {
        at: "verify/cookie.rs same_origin_only",
        holds: || cookie_post(CookieRules::default(), &[("sec-fetch-site", "same-site")]).is_ok(),
    },
    Default {
        at: "verify/cookie.rs with_safe_methods_only",
        holds: || cookie_post(CookieRules::default(), &[]).is_ok(),
    },
    Default {
        at: "verify/cookie.rs with_trusted_origins",
        holds: || {
            let from = |origin| {
                let fields = [("host", "desk.example"), ("origin", origin)];
                cookie_post(CookieRules::default(), &fields)
            };
            from("https://desk.example").is_ok()
                && from("https://ui.example") == Err(Cause::CrossSite)
        },
    },
    Default {
        at: "verify/verifier.rs require_audience",
        holds: || {
            let verifier = verifier().with_service_name("roll");
            verifier.verify(&service_headers()).is_ok()
        },
    },
    Default {
        at: "verify/verifier.rs require_issuer",
        holds: || {
            let bound = verifier_of(public().issued_by("billing"));
            verifier().verify(&service_headers()).is_ok()
                && !accepts(&bound, &TokenMinter::new(eddsa()))
        },
    },
    Default {
        at: "verify/verifier.rs require_token_id",
        holds: || verifier().verify(&service_headers()).is_ok(),
    },
    Default {
        at: "verify/verifier.rs with_clock",
        holds: || {
            let verifier = TokenVerifier::new(secret());
            accepts(&verifier, &TokenMinter::new(secret())) && !accepts(&verifier, &minter())
        },
    },
    Default {
        at: "verify/verifier.rs with_cookie",
        holds: || {
            let token = Claims::user().token();
            let methods = [Method::GET, Method::POST, Method::DELETE];
            let cross_site = [("sec-fetch-site", "cross-site")];
            methods.into_iter().all(|method| {
                let mut request = Request::new(());
                *request.method_mut() = method;
                *request.headers_mut() = cookie(&token);
                verifier().verify_request(&request).is_ok()
            }) && cookie_post(CookieRules::default(), &cross_site) == Err(Cause::CrossSite)
        },
    },
    Default {
        at: "verify/verifier.rs with_service_name",
        holds: || {
            let minter = minter().for_audience("another");
            verifier().verify(&bearer(minter.mint().as_str())).is_ok()
        },
    },
    Default {
        at: "verify/verifier.rs with_skew",
        holds: || {
            let at = |second: u64| {
                TokenVerifier::new(secret())
                    .with_clock(move || UNIX_EPOCH + Duration::from_secs(second))
                    .verify(&service_headers())
            };
            at(NOW + 29).is_ok() && at(NOW + 30).is_err()
        },
    },
];

#[test]
fn every_default_of_the_documentation_is_as_it_says() {
    let pinned: BTreeSet<String> = DEFAULTS.iter().map(|row| row.at.to_owned()).collect();
    let documented = documented(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(documented, pinned, "left: documented, right: pinned here");
    for Default { at, holds } in DEFAULTS {
        assert!(holds(), "{at}");
    }
}

fn no_deadline() -> bool {
    #[cfg(feature = "deadline")]
    return RequestContext::default().deadline().is_none();
    #[cfg(not(feature = "deadline"))]
    true
}

/// The answer to the second of two requests with one token.
fn second_use(method: &Method) -> StatusCode {
    let store = MemoryReplayStore::new(10).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW));
    let protection = ReplayProtection::new(store, OnStoreOutage::Refuse);
    let guard = AuthLayer::new(verifier()).with_replay_protection(protection);
    let headers = bearer(minter().with_token_ids().mint().as_str());
    let mut answers = (0..2).map(|_| {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        respond(guard.clone(), request)
    });
    assert_eq!(answers.next(), Some(StatusCode::OK));
    answers.next().expect("two answers")
}

fn waits_a_second_for_the_store() -> bool {
    struct Silent;

    impl ReplayStore for Silent {
        fn remember(
            &self,
            _: UsedToken,
            _: SystemTime,
        ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
            Box::pin(std::future::pending())
        }
    }

    let protection = ReplayProtection::new(Silent, OnStoreOutage::Refuse);
    let guard = AuthLayer::new(verifier()).with_replay_protection(protection);
    let service = ServiceBuilder::new().layer(guard).service_fn(answer);
    let mut request = Request::post("/").body(Empty::new()).expect("a request");
    *request.headers_mut() = bearer(minter().with_token_ids().mint().as_str());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let response = service.oneshot(request).await.expect("infallible");
        response.status() == 503 && began.elapsed().as_millis() == 1000
    })
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn answer(
    _: Request<Empty<Bytes>>,
) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Empty::new())))
}

fn respond(guard: AuthLayer, request: Request<Empty<Bytes>>) -> StatusCode {
    let service = ServiceBuilder::new().layer(guard).service_fn(answer);
    run(service.oneshot(request)).expect("infallible").status()
}

fn status_of(guard: AuthLayer, headers: HeaderMap) -> StatusCode {
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers;
    respond(guard, request)
}

/// The headers of the call that a handler behind this guard makes.
fn sent_by(guard: AuthLayer, headers: HeaderMap) -> HeaderMap {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&sent);
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter()))
        .service_fn(move |request: Request<Empty<Bytes>>| {
            *seen.lock().expect("one call") = request.headers().clone();
            ready(Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())))
        });
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(guard)
        .service_fn(move |_: Request<Empty<Bytes>>| {
            client.clone().oneshot(Request::new(Empty::new()))
        });
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = headers;
    let response = run(service.oneshot(request)).expect("an answer");
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key(CORRELATION_ID));
    let sent = sent.lock().expect("one call");
    sent.clone()
}

fn tokens() -> TransactionTokens {
    TransactionTokens::from_secrets(secret(), "desk")
        .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

/// The claims of the transaction token that is minted for a user.
fn transaction_of(tokens: TransactionTokens) -> Value {
    let user = TokenMinter::new(secret()).mint_for(&user(), Duration::from_secs(60));
    let guard = AuthLayer::new(TokenVerifier::new(secret())).with_transactions(tokens);
    let sent = sent_by(guard, bearer(user.as_str()));
    // Far in the past or not: it is read and not judged.
    let token = sent.get("txn-token").expect("a token");
    claims_of(token.to_str().expect("text"))
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    let json = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

fn is_now(instant: &Value) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let instant = instant.as_u64().expect("a number");
    now.as_secs().abs_diff(instant) <= 600
}

fn user() -> UserClaims {
    UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk)
}

fn user_token(user: &UserClaims) -> String {
    let token = minter().mint_for(user, Duration::from_secs(60));
    token.as_str().to_owned()
}

fn user_headers() -> HeaderMap {
    bearer(Claims::user().token())
}

fn service_headers() -> HeaderMap {
    bearer(Claims::service().token())
}

fn cookie_post(rules: CookieRules, fields: &[(&'static str, &str)]) -> Result<(), Cause> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.headers_mut() = cookie(&Claims::user().token());
    for (name, value) in fields {
        let value = HeaderValue::from_str(value).expect("a value");
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    let verified = verifier().with_cookie(rules).verify_request(&request);
    verified.map(drop).map_err(|error| error.cause())
}

/// How many of these keys a service publishes.
fn published(keys: KeySet) -> usize {
    let service = KeySetService::new(SharedKeySet::new(keys));
    let answer = run(service.oneshot(Request::new(()))).expect("infallible");
    let json = run(answer.into_body().collect())
        .expect("infallible")
        .to_bytes();
    KeySet::from_jwks(&json).expect("a set").iter().count()
}

/// One private key, the same each time.
fn eddsa() -> SigningKey {
    static PEM: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let pem = SigningKey::generate_pem(Algorithm::EdDsa).expect("random numbers");
        pem.as_str().to_owned()
    });
    SigningKey::from_pem(&PEM).expect("a key")
}

fn public() -> VerifyingKey {
    eddsa().public_key().expect("not a secret")
}

fn verifier_of(keys: impl Into<KeySet>) -> TokenVerifier {
    TokenVerifier::new(keys)
}

fn accepts(verifier: &TokenVerifier, minter: &TokenMinter) -> bool {
    let principal: Result<Principal, _> = verifier.verify(&bearer(minter.mint().as_str()));
    principal.is_ok()
}
