//! What reaches the peer exactly once.

use std::time::Duration;

use civic_client::{ErrorKind, NotRetried};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use serde::Deserialize;

use crate::support::{call, client_of, ends, peer};

#[derive(Debug, Deserialize)]
struct Property {
    #[expect(dead_code, reason = "only its type matters")]
    value: i64,
}

#[tokio::test]
async fn client_errors_reach_the_peer_exactly_once() {
    for status in [400, 401, 403, 404, 409, 410, 422, 429] {
        let body = format!(
            r#"{{"statusCode":{status},"message":"because","correlationId":"x","timestamp":"t"}}"#
        );
        let (peer, client) = peer([Step::status(status).with_json(body)]).await;
        let error = client.get("/").fetch::<Property>().await.unwrap_err();
        assert_eq!(peer.attempts().len(), 1, "{status}");
        assert_eq!(error.kind(), ErrorKind::Status);
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(error.message(), Some("because"));
        assert_eq!(
            (error.attempts(), error.not_retried()),
            (1, Some(NotRetried::NotRetryable))
        );
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_reaches_the_peer_exactly_once() {
    let envelope = |data: &str| Step::envelope(data);
    let cases = [
        ("garbage", Step::json("{\"value\":"), ErrorKind::Decode),
        (
            "html",
            Step::status(200)
                .body("<html>")
                .header("content-type", "text/html"),
            ErrorKind::Decode,
        ),
        (
            "another type",
            envelope(r#"{"value":"many"}"#),
            ErrorKind::Decode,
        ),
        (
            "null where something was promised",
            envelope("null"),
            ErrorKind::Decode,
        ),
        (
            "nothing where something was promised",
            Step::status(204),
            ErrorKind::Decode,
        ),
        (
            "not UTF-8",
            Step::json(&b"{\"value\":1,\"x\":\"\xff\"}"[..]),
            ErrorKind::Decode,
        ),
        (
            "marked and no envelope",
            Step::json("{}").header("x-envelope", "1"),
            ErrorKind::Protocol,
        ),
        (
            "success:false",
            Step::json(
                r#"{"success":false,"message":"no such roll","timestamp":"t","data":{"value":1}}"#,
            ),
            ErrorKind::Refused,
        ),
    ];
    for (name, step, kind) in cases {
        let (peer, client) = peer([step]).await;
        let error = client.get("/").fetch::<Property>().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert_eq!(peer.attempts().len(), 1, "{name}");
        assert_eq!(
            (error.attempts(), error.not_retried()),
            (1, Some(NotRetried::NotRetryable)),
            "{name}"
        );
        assert!(error.status().unwrap().is_success(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_of_another_type_says_which_and_how_to_read_it() {
    let typed = |value: &str, body: &'static str| {
        Step::status(200).header("content-type", value).body(body)
    };
    let cases = [
        (
            typed("text/plain; charset=utf-8", "ready"),
            "is text/plain and not JSON",
        ),
        (typed("Text/HTML", "<html>"), "is text/html and not JSON"),
        (
            typed("text/x-078-05-1120", "1,2"),
            "is of another type and not JSON",
        ),
    ];
    for (step, says) in cases {
        let (_peer, client) = peer([step]).await;
        for error in [
            client.get("/").fetch::<String>().await.unwrap_err(),
            client.get("/").fetch_optional::<u32>().await.unwrap_err(),
            client.get("/").send().await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Decode, "{text}");
            assert!(text.contains(says) && text.contains("send_raw()"), "{text}");
            assert!(!format!("{text}{error:?}").contains("078-05-1120"));
        }
        assert_eq!(client.get("/").send_raw().await.unwrap().status(), 200);
    }
    // What is JSON all the same is read, and JSON that breaks off is JSON.
    let mislabelled = typed("text/plain", "7");
    let broken = typed("application/problem+json", "{");
    let (_peer, client) = peer([mislabelled, broken]).await;
    assert_eq!(client.get("/").fetch::<u32>().await.unwrap(), 7);
    let error = client.get("/").fetch::<u32>().await.unwrap_err();
    assert!(!error.to_string().contains("send_raw()"), "{error}");
}

#[tokio::test]
async fn success_false_is_an_error_with_the_peers_message_and_never_data() {
    let body = r#"{"success":false,"message":"no such roll","timestamp":"2026-02-24T12:00:00.000Z","data":{"value":1}}"#;
    let (_peer, client) = peer([Step::json(body)]).await;
    let error = client.get("/").fetch::<Property>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.message(), Some("no such roll"));
    assert_eq!(
        client.get("/").send().await.unwrap_err().kind(),
        ErrorKind::Refused
    );
    assert_eq!(
        client
            .get("/")
            .fetch_optional::<()>()
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Refused
    );
}

#[tokio::test]
async fn a_delete_answered_204_reaches_the_peer_exactly_once_and_has_no_content_type() {
    let (peer, client) = peer([Step::status(204)]).await;
    client
        .delete("/things/{id}")
        .param("id", 7)
        .send()
        .await
        .unwrap();
    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].method, Method::DELETE);
    for absent in ["content-type", "content-length", "transfer-encoding"] {
        assert_eq!(attempts[0].header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Upstream::start([Step::envelope("1")]).await;
        let step = Step::status(status).header("location", &elsewhere.url());
        let peer = Upstream::start([step]).await;
        let error = call(&client_of(&peer), &Method::GET).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status().unwrap().as_u16()),
            (ErrorKind::Status, status)
        );
        assert_eq!((peer.attempts().len(), elsewhere.connections()), (1, 0));
    }
}

#[tokio::test]
async fn a_body_over_the_cap_reaches_the_peer_exactly_once() {
    let peer = Upstream::start([Step::json(vec![b' '; 1025])]).await;
    let client = crate::support::exact(&peer.url())
        .max_body(1024)
        .build()
        .unwrap();
    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.not_retried()),
        (ErrorKind::BodyTooLarge, Some(NotRetried::NotRetryable))
    );
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_whose_body_hangs_keeps_its_status_however_short_the_attempt_is() {
    for millis in [10, 100, 500, 999, 1000, 1001, 1050, 2000] {
        let timeout = Duration::from_millis(millis);
        let (gone, client) = peer([Step::hang_in_body().with_status(404)]).await;
        let error = ends(client.get("/").timeout(timeout).send()).await;
        let error = error.unwrap_err();
        assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
        assert_eq!(gone.attempts().len(), 1, "{millis}");
        assert!(error.elapsed() < timeout.min(Duration::from_millis(1001)));

        let busy = Step::hang_in_body()
            .with_status(503)
            .header("retry-after", "0");
        let (busy, client) = peer([busy, Step::status(204)]).await;
        let request = client.post("/").json(&1).timeout(timeout);
        ends(request.send()).await.unwrap();
        assert_eq!(busy.attempts().len(), 2, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_whose_body_hangs_keeps_its_status_and_what_follows_from_it() {
    for step in [
        Step::hang_in_body(),
        Step::drip("{\"a\":1}", Duration::from_millis(400)),
    ] {
        let (gone, client) = peer([step.clone().with_status(404)]).await;
        let error = ends(call(&client, &Method::GET)).await.unwrap_err();
        assert_eq!(error.status().unwrap(), 404);
        assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
        assert_eq!((gone.attempts().len(), error.elapsed().as_secs()), (1, 1));
        gone.abandoned(1).await;

        let busy = step.with_status(503).header("retry-after", "0");
        let (busy, client) = peer([busy, Step::status(204)]).await;
        ends(call(&client, &Method::POST)).await.unwrap();
        assert_eq!(busy.attempts().len(), 2);
    }
}
