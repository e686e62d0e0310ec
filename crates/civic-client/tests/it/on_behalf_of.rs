//! Which client says for whom a call is made.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use civic_auth::{
    AuthLayer, CorrelationIdLayer, Role, Secret, TokenVerifier, TransactionTokens, UserClaims,
};
use civic_client::{Body, ErrorKind, NotRetried, Transmission};
use civic_testkit::upstream::{Step, Upstream};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{SECRET, bare, client_of, minter};

/// A moment in 2026.
const NOW: u64 = 1_795_000_000;

/// Runs `work` as the handler of a clerk's request. The clock of the transaction tokens is `clock`.
async fn serving_a_clerk<F>(clock: &Arc<AtomicU64>, work: impl Fn() -> F + Clone)
where
    F: Future<Output = ()>,
{
    let secret = || Secret::new(SECRET).unwrap();
    let epoch = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let now = Arc::clone(clock);
    let tokens = TransactionTokens::from_secrets(secret(), "desk")
        .with_clock(move || epoch(now.load(Ordering::Relaxed)));
    let verifier = TokenVerifier::new(secret()).with_clock(move || epoch(NOW));
    let clerk = UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk);
    let token = minter()
        .with_clock(move || epoch(NOW))
        .mint_for(&clerk, Duration::from_secs(60));
    let mut request = Request::new(Body::from(""));
    request
        .headers_mut()
        .insert(AUTHORIZATION, token.to_header_value());
    let response = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AuthLayer::new(verifier).with_transactions(tokens))
        .service_fn(move |_: Request<Body>| {
            let work = work();
            async move {
                work.await;
                Ok::<_, Infallible>(Response::new(()))
            }
        })
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn an_anonymous_client_never_sends_a_transaction_token_and_a_service_does_by_itself() {
    let peer = Upstream::start([Step::status(204), Step::status(204)]).await;
    let clock = Arc::new(AtomicU64::new(NOW));
    serving_a_clerk(&clock, || async {
        let service = client_of(&peer);
        service.get("/").send().await.unwrap();
        let anonymous = bare(&peer.url()).anonymous().build().unwrap();
        anonymous.get("/").send().await.unwrap();
    })
    .await;
    let attempts = peer.attempts();
    assert!(attempts[0].header("txn-token").is_some());
    for name in ["txn-token", "authorization"] {
        assert_eq!(attempts[1].header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_call_for_a_user_whose_token_has_expired_ends_locally_as_missing_credentials() {
    let peer = Upstream::start([Step::status(204)]).await;
    let clock = Arc::new(AtomicU64::new(NOW));
    serving_a_clerk(&clock, || async {
        clock.store(NOW + 60, Ordering::Relaxed);
        let error = client_of(&peer).get("/").send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingCredentials);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
        assert_eq!(error.attempts(), 1);
    })
    .await;
    assert_eq!(peer.attempts().len(), 0);
}
