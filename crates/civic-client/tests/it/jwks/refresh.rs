//! How often a set is fetched, and what the publisher is asked.

use std::time::Duration;

use civic_auth::KeySource;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::publisher::{Publisher, answer, json_answer, set};
use super::{HOUR, key, ready, source};

#[tokio::test(start_paused = true)]
async fn max_age_is_honoured_within_bounds() {
    let billing = key("b-1");
    for (cache_control, at_least, at_most) in [
        (None, 150, 300),
        (Some("public, max-age=60"), 30, 60),
        (Some("max-age=0"), 15, 30),
        (Some("no-store"), 15, 30),
        (Some("max-age=31536000"), 150, 300),
    ] {
        let json = set(&[&billing]);
        let publisher = Publisher::new("");
        publisher.answer(move |_| match cache_control {
            Some(value) => json_answer(json.clone(), &[("cache-control", value)]),
            None => json_answer(json.clone(), &[]),
        });
        let (_keys, _callee) = ready(&publisher).await;
        sleep(2 * HOUR).await;
        for pair in publisher.fetches().windows(2) {
            let gap = pair[1].at - pair[0].at;
            let range = Duration::from_secs(at_least)..=Duration::from_millis(at_most * 1000 + 10);
            assert!(range.contains(&gap), "{cache_control:?}: {gap:?}");
        }
        assert!(publisher.fetches().len() > 20, "{cache_control:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_set_is_asked_for_by_its_tag_and_304_confirms_it() {
    let billing = key("b-1");
    let json = set(&[&billing]);
    let publisher = Publisher::new("");
    publisher.answer(move |fetch| match fetch.headers.get("if-none-match") {
        None => json_answer(
            json.clone(),
            &[("etag", "\"one\""), ("cache-control", "max-age=60")],
        ),
        // Without the tag, which is still that of the set.
        Some(_) => answer(304, &[("cache-control", "max-age=60")], ""),
    });
    let (keys, callee) = ready(&publisher).await;
    let first = keys.current().expect("keys");
    // Longer than keys live without being confirmed.
    sleep(100 * HOUR).await;
    callee.accepts(&billing).await;
    let present = keys.current().expect("keys");
    assert!(
        std::sync::Arc::ptr_eq(&first, &present),
        "it is the same value"
    );
    let fetches = publisher.fetches();
    assert!(!fetches[0].headers.contains_key("if-none-match"));
    assert!(
        fetches[1..]
            .iter()
            .all(|fetch| fetch.headers["if-none-match"] == "\"one\"")
    );
    let gaps = fetches.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(gaps.max().expect("gaps") <= Duration::from_millis(60_010));

    let request = &fetches[0].headers;
    assert_eq!(fetches[0].path, "/.well-known/jwks.json");
    assert_eq!(
        request["accept"],
        "application/jwk-set+json, application/json"
    );
    assert!(!request.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_handle_whatever_it_is_doing() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    for delay in [Duration::ZERO, Duration::from_secs(2)] {
        publisher.delay(delay);
        let keys = source(&publisher).start().expect("a source");
        let clone = keys.clone();
        sleep(Duration::from_secs(1)).await;
        drop(keys);
        sleep(Duration::from_millis(1)).await;
        assert!(tasks() > 0, "a clone is left");
        // A request that waits holds nothing.
        let waiting = clone.refresh();
        drop(clone);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(tasks(), 0, "{delay:?}");
        if let Some(waiting) = waiting {
            let start = tokio::time::Instant::now();
            waiting.await;
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
        publisher.forget();
        sleep(HOUR).await;
        assert!(publisher.fetches().is_empty());
    }
}

#[test]
fn a_source_outlives_its_runtime_and_keeps_no_process_alive() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    let keys = first.block_on(async {
        let keys = source(&publisher).start().expect("a source");
        keys.ready().await;
        keys
    });
    drop(first);
    // What there is can be used; no one waits for ever.
    runtime().block_on(async {
        let refresh = keys.refresh();
        if let Some(refresh) = refresh {
            let start = tokio::time::Instant::now();
            refresh.await;
            assert!(start.elapsed() <= Duration::from_secs(1));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_wall_clock_changes_nothing() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use civic_auth::{TokenMinter, TokenVerifier};

    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let (keys, _callee) = ready(&publisher).await;
    publisher.fail();
    let wall = Arc::new(AtomicU64::new(1_795_000_000));
    let clock = {
        let wall = Arc::clone(&wall);
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(wall.load(Ordering::Relaxed))
    };
    let verifier = TokenVerifier::from_source(keys).with_clock(clock.clone());
    let minter = TokenMinter::new(billing)
        .with_issuer("billing")
        .with_clock(clock);
    // A year ahead, and back to 1971: the age of the keys is not that of the wall clock.
    for second in [1_826_000_000, 40_000_000, 1_795_000_000] {
        wall.store(second, Ordering::Relaxed);
        let headers = civic_auth::internal_headers(&minter, None);
        assert!(verifier.verify(&headers).is_ok(), "{second}");
        sleep(HOUR).await;
    }
}
