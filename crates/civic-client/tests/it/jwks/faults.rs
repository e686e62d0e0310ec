//! Answers that are no set, or not all of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{Cause, SigningKey};
use civic_testkit::log::Capture;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::time::sleep;
use tower::BoxError;

use super::publisher::{Answer, Publisher, answer, json_answer, set, streamed};
use super::{Callee, Events, key, ready, source};
use crate::streaming::Frames;

const SET: &str = "application/jwk-set+json";

/// Long enough for a fetch in the background.
const REFRESH: Duration = Duration::from_secs(301);

/// A gigabyte, which counts the frames of 64 KiB that are taken from it.
fn gigabyte(taken: &Arc<AtomicU64>) -> Answer {
    let frames = Frames::new(16 * 1024, taken).map_err(|never| match never {});
    streamed(200, &[("content-type", SET)], frames)
}

/// A set of which a byte comes each second.
fn drip(json: &str) -> Answer {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    let bytes = json.to_owned().into_bytes();
    tokio::spawn(async move {
        for byte in bytes {
            sleep(Duration::from_secs(1)).await;
            if sender.send_data(Bytes::from(vec![byte])).await.is_err() {
                return;
            }
        }
    });
    streamed(200, &[("content-type", SET)], body)
}

/// A set that breaks off.
fn truncated(json: &str) -> Answer {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    let half = Bytes::from(json.as_bytes()[..json.len() / 2].to_vec());
    tokio::spawn(async move {
        if sender.send_data(half).await.is_ok() {
            sender.abort("the connection broke off".into());
        }
    });
    streamed(200, &[("content-type", SET)], body)
}

fn oct(id: &str) -> String {
    format!(r#"{{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","kid":"{id}"}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_not_one_changes_nothing_and_the_event_says_why() {
    let (old, new) = (key("b-1"), key("b-2"));
    let good = set(&[&new]);
    let jwk = good
        .trim_start_matches(r#"{"keys":["#)
        .trim_end_matches("]}")
        .to_owned();
    let many: Vec<SigningKey> = (0..33).map(|number| key(&format!("m-{number}"))).collect();
    let many = set(&many.iter().collect::<Vec<_>>());
    let taken = Arc::new(AtomicU64::new(0));
    let typed = |content_type: &'static str| -> Box<dyn Fn() -> Answer + Send + Sync> {
        let good = good.clone();
        Box::new(move || answer(200, &[("content-type", content_type)], good.clone()))
    };
    let says = |json: &str| -> Box<dyn Fn() -> Answer + Send + Sync> {
        let json = json.to_owned();
        Box::new(move || json_answer(json.clone(), &[]))
    };
    let cases: Vec<(&str, Box<dyn Fn() -> Answer + Send + Sync>, &str)> = vec![
        ("nothing", says(""), "decode"),
        ("half a JSON text", says(&good[..good.len() / 2]), "decode"),
        ("a list", says("[]"), "decode"),
        ("no keys", says(r#"{"keys":[]}"#), "decode"),
        (
            "keys twice",
            says(&format!(r#"{{"keys":[],"keys":[{jwk}]}}"#)),
            "decode",
        ),
        (
            "no key that can be used",
            says(r#"{"keys":[{"kty":"RSA"},{"kty":7},{}]}"#),
            "decode",
        ),
        (
            "a secret only",
            says(&format!(r#"{{"keys":[{}]}}"#, oct("b-2"))),
            "decode",
        ),
        (
            "two keys with one id",
            says(&format!(r#"{{"keys":[{jwk},{jwk}]}}"#)),
            "decode",
        ),
        ("33 keys", says(&many), "decode"),
        (
            "65 537 bytes",
            says(&format!("{}{good}", " ".repeat(64 * 1024 + 1 - good.len()))),
            "at most 65536 bytes",
        ),
        (
            "a gigabyte",
            {
                let taken = Arc::clone(&taken);
                Box::new(move || gigabyte(&taken))
            },
            "at most 65536 bytes",
        ),
        ("a page", typed("text/html"), "content type"),
        (
            "no type",
            {
                let good = good.clone();
                Box::new(move || answer(200, &[], good.clone()))
            },
            "content type",
        ),
        (
            "problem+json",
            typed("application/problem+json"),
            "content type",
        ),
        (
            "two types",
            {
                let good = good.clone();
                let types = [("content-type", SET), ("content-type", SET)];
                Box::new(move || answer(200, &types, good.clone()))
            },
            "content type",
        ),
        (
            "compressed",
            {
                let good = good.clone();
                let headers = [("content-type", SET), ("content-encoding", "gzip")];
                Box::new(move || answer(200, &headers, good.clone()))
            },
            "compressed",
        ),
        (
            "206",
            {
                let good = good.clone();
                Box::new(move || answer(206, &[("content-type", SET)], good.clone()))
            },
            "status 200",
        ),
        ("204", Box::new(|| answer(204, &[], "")), "status 200"),
        (
            "304 without a tag",
            Box::new(|| answer(304, &[], "")),
            "304",
        ),
        (
            "a redirect",
            Box::new(|| answer(302, &[("location", "/elsewhere")], "")),
            "status 302",
        ),
        ("401", Box::new(|| answer(401, &[], "")), "status 401"),
        ("404", Box::new(|| answer(404, &[], "")), "status 404"),
        ("500", Box::new(|| answer(500, &[], "")), "status 500"),
        (
            "a byte per second",
            {
                let good = good.clone();
                Box::new(move || drip(&good))
            },
            "within 5s",
        ),
        (
            "cut off",
            {
                let good = good.clone();
                Box::new(move || truncated(&good))
            },
            "transport",
        ),
    ];
    for (name, says, why) in cases {
        let events = Events::default();
        let publisher = Publisher::of(&[&old]);
        let keys = source(&publisher)
            .observer(events.observer())
            .start()
            .expect("a source");
        keys.ready().await;
        let callee = Callee::new(keys.clone());
        events.take();
        publisher.answer(move |_| says());
        sleep(REFRESH).await;
        let events = events.take();
        let first = events.first().unwrap_or_else(|| panic!("{name}: no event"));
        assert!(
            first.starts_with("failed 1: ") && first.contains(why),
            "{name}: {first}"
        );
        callee.accepts(&old).await;
        let refused = callee.call(&new).await;
        assert_eq!(
            (refused.status, refused.cause),
            (401, Some(Cause::UnknownKey)),
            "{name}"
        );
        let paths = publisher.fetches();
        assert!(
            paths
                .iter()
                .all(|fetch| fetch.path == "/.well-known/jwks.json"),
            "{name}"
        );
        // And it is followed again when it is one.
        publisher.publish(set(&[&old, &new]));
        sleep(Duration::from_secs(70)).await;
        callee.accepts(&new).await;
    }
    // Of each gigabyte, 16 384 frames, no more was taken than the cap and what was on its way.
    assert!(taken.load(Ordering::Relaxed) < 200, "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_set_that_is_not_one_is_503_and_never_401() {
    let billing = key("b-1");
    for says in ["", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA"}]}"#] {
        let publisher = Publisher::new(says);
        let keys = source(&publisher).start().expect("a source");
        let callee = Callee::new(keys.clone());
        for _ in 0..5 {
            let refused = callee.call(&billing).await;
            assert_eq!(
                (refused.status, refused.cause),
                (503, Some(Cause::KeysUnavailable))
            );
            sleep(Duration::from_secs(7)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn odd_keys_are_skipped_and_a_secret_or_a_private_key_is_reported_without_its_value() {
    let (good, leaked) = (key("b-1"), key("b-2"));
    let strip = |json: String| {
        json.trim_start_matches(r#"{"keys":["#)
            .trim_end_matches("]}")
            .to_owned()
    };
    let jwk = strip(set(&[&good]));
    let other = |from: &str, to: &str| jwk.replace("b-1", "odd").replace(from, to);
    let odd = [
        other(r#""kty":"OKP""#, r#""kty":"LWE""#),
        other("EdDSA", "XX256"),
        other(r#""use":"sig""#, r#""use":"enc""#),
        other(r#""use":"sig""#, r#""use":"tls""#),
        other(r#""use":"sig""#, r#""key_ops":["sign"]"#),
        other(r#""use":"sig""#, r#""key_ops":["wrapKey","unwrapKey"]"#),
        other(r#""use":"sig""#, r#""key_ops":[]"#),
        other(r#""use":"sig""#, r#""key_ops":"verify""#),
        other("Ed25519", "Ed448"),
        oct("odd"),
        strip(set(&[&leaked])).replace(r#""use""#, r#""d":"c2VjcmV0LXNlY3JldA","use""#),
    ];
    for odd in odd {
        let capture = Capture::start();
        let publisher = Publisher::new(format!(r#"{{"keys":[{odd},{jwk}]}}"#));
        let (keys, callee) = ready(&publisher).await;
        callee.accepts(&good).await;
        assert_eq!(callee.call(&leaked).await.status, 401, "{odd}");
        let present = civic_auth::KeySource::current(&keys).expect("keys");
        assert_eq!(present.iter().count(), 1, "{odd}");
        let text = capture.text();
        let is_leak = odd.contains(r#""oct""#) || odd.contains(r#""d":"#);
        assert_eq!(
            text.contains("its publisher must replace it"),
            is_leak,
            "{odd}: {text}"
        );
        assert!(
            !text.contains("c2VjcmV0") && !text.contains("MDEyMzQ1"),
            "{text}"
        );
    }
    // A key that says what it is for is used.
    for usage in [
        r#""key_ops":["verify"]"#,
        r#""key_ops":["verify","x"],"use":"sig""#,
    ] {
        let json = format!(r#"{{"keys":[{}]}}"#, jwk.replace(r#""use":"sig""#, usage));
        let publisher = Publisher::new(json);
        let (_keys, callee) = ready(&publisher).await;
        callee.accepts(&good).await;
    }
}

#[tokio::test(start_paused = true)]
async fn application_json_is_a_set_as_well() {
    let billing = key("b-1");
    let json = set(&[&billing]);
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/jwk-set+json;x=y",
    ] {
        let json = json.clone();
        let publisher = Publisher::new("");
        publisher.answer(move |_| answer(200, &[("content-type", content_type)], json.clone()));
        let (_keys, callee) = ready(&publisher).await;
        callee.accepts(&billing).await;
    }
}
