//! Whether the peer got the request, as the kernel and hyper really report it.

use civic_client::{ErrorKind, Transmission};
use civic_testkit::upstream::{Step, Upstream};
use http::{Method, StatusCode};

use crate::support::{call, client_of, ends, exact};

#[tokio::test(start_paused = true)]
async fn every_broken_exchange_is_classified_by_its_chain_of_causes() {
    let cases = [
        (
            "reset before the headers",
            Step::reset(),
            ErrorKind::Transport,
        ),
        (
            "closed before the headers",
            Step::fin(),
            ErrorKind::Transport,
        ),
        (
            "closed in the headers",
            Step::half_a_head(),
            ErrorKind::Transport,
        ),
        (
            "reset in the body",
            Step::reset_in_body("{"),
            ErrorKind::Transport,
        ),
        (
            "closed in the body",
            Step::truncated_body("{"),
            ErrorKind::Transport,
        ),
        ("not HTTP", Step::garbage(), ErrorKind::Protocol),
        ("hung", Step::hang(), ErrorKind::Timeout),
        ("hung in the body", Step::hang_in_body(), ErrorKind::Timeout),
    ];
    for (name, step, kind) in cases {
        let peer = Upstream::start([step]).await;
        let error = ends(client_of(&peer).get("/").retries(0).send())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.transmission()),
            (kind, Transmission::Unknown),
            "{name}"
        );
        assert_eq!(error.status(), None, "{name}");
        assert_eq!(error.is_timeout(), kind == ErrorKind::Timeout, "{name}");
        let cause = std::error::Error::source(&error);
        assert_eq!(cause.is_some(), kind != ErrorKind::Timeout, "{name}");
    }
}

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).retries(0).build().unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.transmission()),
        (ErrorKind::Connect, Transmission::NotSent)
    );
    assert!(!error.is_timeout());
}

#[tokio::test]
async fn a_name_that_does_not_resolve_was_never_sent() {
    let client = exact("http://no-such-host.invalid")
        .retries(0)
        .build()
        .unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.transmission()),
        (ErrorKind::Connect, Transmission::NotSent)
    );
}

#[tokio::test]
async fn an_answer_of_any_status_was_delivered() {
    let peer = Upstream::start([Step::status(503)]).await;
    let error = ends(client_of(&peer).get("/").retries(0).send())
        .await
        .unwrap_err();
    assert_eq!(
        error.transmission(),
        Transmission::Answered(StatusCode::SERVICE_UNAVAILABLE)
    );
}

#[tokio::test]
async fn an_error_answer_that_breaks_off_keeps_its_status() {
    for step in [Step::truncated_body("{"), Step::reset_in_body("{")] {
        let peer = Upstream::start([step.with_status(404)]).await;
        let error = call(&client_of(&peer), &Method::GET).await.unwrap_err();
        assert_eq!(
            error.transmission(),
            Transmission::Answered(StatusCode::NOT_FOUND)
        );
        assert_eq!(peer.attempts().len(), 1);
    }
}

#[tokio::test]
async fn a_reset_while_the_connection_is_accepted_was_never_sent() {
    // On a slow day the kernel reports the reset only after the request was written to the socket,
    // and then it proves nothing. What must not happen is that one is taken for the other.
    let mut never_sent = 0;
    for _ in 0..20 {
        let peer = Upstream::start([Step::reset_at_accept()]).await;
        let client = exact(&peer.url()).retries(0).build().unwrap();
        let error = call(&client, &Method::POST).await.unwrap_err();
        match error.transmission() {
            Transmission::NotSent => never_sent += 1,
            delivery => assert_eq!(
                (delivery, error.kind()),
                (Transmission::Unknown, ErrorKind::Transport)
            ),
        }
    }
    assert!(never_sent > 0);
}
