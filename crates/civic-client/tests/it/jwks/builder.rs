//! What a source can be told, and what it refuses.

use std::time::Duration;

use civic_auth::{KeySource, Profile, Role, UserClaims};
use civic_client::jwks::JwksSourceBuilder;
use civic_client::{ErrorKind, ServiceClient};
use tokio::time::sleep;

use super::publisher::{Publisher, json_answer, set};
use super::{Callee, HOUR, key, minter, source};

fn client(url: &str) -> ServiceClient {
    let peer = tower::service_fn(|_: http::Request<civic_client::Body>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    ServiceClient::builder(url)
        .anonymous()
        .build_in_process(peer)
        .expect("a client")
}

#[tokio::test(start_paused = true)]
async fn another_machine_is_asked_over_https_only_unless_told_otherwise() {
    for (url, is_allowed) in [
        ("https://billing", true),
        ("http://localhost:3020", true),
        ("http://LOCALHOST", true),
        ("http://127.0.0.1:3020", true),
        ("http://127.9.9.9", true),
        ("http://[::1]:3020", true),
        ("http://billing", false),
        ("http://10.0.0.7", false),
        ("http://[::2]", false),
        ("http://localhost.example", false),
        ("http://127.0.0.1.example", false),
    ] {
        let started = JwksSourceBuilder::new(client(url), "billing").start();
        match started {
            Ok(_) => assert!(is_allowed, "{url}"),
            Err(error) => {
                assert!(!is_allowed, "{url}: {error}");
                assert_eq!(error.kind(), ErrorKind::Config, "{url}");
                assert!(
                    error.to_string().contains("dangerous_allow_http"),
                    "{error}"
                );
            }
        }
        let told = JwksSourceBuilder::new(client(url), "billing").dangerous_allow_http();
        assert!(told.start().is_ok(), "{url}");
    }
}

#[test]
fn without_a_runtime_or_an_issuer_the_start_is_an_error_and_no_panic() {
    let start = |issuer: &'static str| JwksSourceBuilder::new(client("https://b"), issuer).start();
    let error = start("billing").expect_err("no runtime");
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    let error = start("").expect_err("no issuer");
    assert!(error.to_string().contains("iss"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn path_profile_interval_and_limit_are_those_that_were_set() {
    let login = key("login-1");
    let publisher = Publisher::of(&[&login]);
    let keys = source(&publisher)
        .path("/keys")
        .profile(Profile::User)
        .refresh_every(Duration::from_secs(60))
        .max_stale(2 * HOUR)
        .start()
        .expect("a source");
    keys.ready().await;
    let callee = Callee::new(keys.clone());
    let user = UserClaims::new("u-1", "a@town.example", Role::TaxClerk);
    let token = || minter(&login).mint_for(&user, Duration::from_secs(60));
    assert_eq!(callee.call_with(token().as_str()).await.status, 200);
    assert_eq!(callee.call(&login).await.status, 401);
    sleep(HOUR).await;
    let fetches = publisher.fetches();
    assert!(fetches.iter().all(|fetch| fetch.path == "/keys"));
    assert!((58..=122).contains(&fetches.len()), "{}", fetches.len());
    publisher.fail();
    sleep(2 * HOUR).await;
    assert_eq!(callee.call_with(token().as_str()).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn an_interval_below_the_bound_is_the_bound() {
    let billing = key("b-1");
    let json = set(&[&billing]);
    let publisher = Publisher::new("");
    publisher.answer(move |_| json_answer(json.clone(), &[]));
    let keys = source(&publisher)
        .refresh_every(Duration::ZERO)
        .start()
        .expect("a source");
    sleep(HOUR).await;
    let fetches = publisher.fetches().len();
    assert!((118..=242).contains(&fetches), "{fetches}");
    assert!(keys.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_printed_of_a_source_has_no_key_in_it() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let keys = source(&publisher).start().expect("a source");
    keys.ready().await;
    let printed = format!("{keys:?}");
    assert!(
        printed.contains("billing") && printed.contains("b-1"),
        "{printed}"
    );
    let jwk = billing
        .public_key()
        .and_then(|key| key.to_jwk())
        .expect("public");
    let x = jwk
        .split("\"x\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert!(!printed.contains(x.expect("x")), "{printed}");
}
