//! Tokens that name keys that no one has published.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::publisher::{Publisher, set};
use super::{Callee, key, minter, ready, source};

/// How many tokens come, and how much later than the one before each of them.
const TOKENS: u32 = 10_000;
const EVERY: Duration = Duration::from_millis(10);

/// Sends tokens with ids that no one knows, and returns how often each status came back.
async fn storm(callee: &Callee, status: u16) {
    let stranger = key("unknown");
    let mut calls = JoinSet::new();
    for number in 0..TOKENS {
        let key = stranger
            .clone()
            .with_id(&format!("k-{number}"))
            .expect("an id");
        let callee = callee.clone();
        calls.spawn(async move { callee.call(&key).await });
        sleep(EVERY).await;
    }
    while let Some(outcome) = calls.join_next().await {
        let outcome = outcome.expect("no panic");
        assert_eq!(outcome.status, status, "{outcome:?}");
        assert!(outcome.took <= Duration::from_secs(1), "{outcome:?}");
    }
}

/// Asserts that this publisher was asked, and never twice within 10 seconds.
fn asked_every_ten_seconds(publisher: &Publisher) {
    let fetches = publisher.fetches();
    assert!((9..=11).contains(&fetches.len()), "{}", fetches.len());
    for pair in fetches.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= Duration::from_secs(10), "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_unknown_ids_cause_a_fetch_per_ten_seconds_and_valid_callers_do_not_notice() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let (keys, callee) = ready(&publisher).await;
    sleep(Duration::from_secs(12)).await;
    publisher.forget();
    let valid = {
        let (callee, billing) = (callee.clone(), billing.clone());
        tokio::spawn(async move {
            let start = Instant::now();
            let mut calls = 0;
            while start.elapsed() < TOKENS * EVERY {
                callee.accepts(&billing).await;
                calls += 1;
                sleep(Duration::from_millis(97)).await;
            }
            calls
        })
    };
    storm(&callee, 401).await;
    asked_every_ten_seconds(&publisher);
    assert!(valid.await.expect("no panic") > 1000);
    drop(keys);
}

#[tokio::test(start_paused = true)]
async fn an_empty_set_does_not_lift_the_limit() {
    let publisher = Publisher::new(r#"{"keys":[]}"#);
    let keys = source(&publisher).start().expect("a source");
    let callee = Callee::new(keys.clone());
    sleep(Duration::from_secs(12)).await;
    publisher.forget();
    storm(&callee, 503).await;
    asked_every_ten_seconds(&publisher);
}

#[tokio::test(start_paused = true)]
async fn a_storm_does_not_keep_a_new_key_out_for_longer_than_ten_seconds() {
    let (old, new) = (key("b-1"), key("b-2"));
    let publisher = Publisher::of(&[&old]);
    let (_keys, callee) = ready(&publisher).await;
    let attack = {
        let callee = callee.clone();
        tokio::spawn(async move { storm(&callee, 401).await })
    };
    sleep(Duration::from_secs(33)).await;
    publisher.publish(set(&[&old, &new]));
    sleep(Duration::from_secs(11)).await;
    callee.accepts(&new).await;
    attack.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn garbage_that_names_no_key_causes_no_fetch() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let (_keys, callee) = ready(&publisher).await;
    sleep(Duration::from_secs(12)).await;
    publisher.forget();
    let good = minter(&billing).mint();
    let (signed, _) = good.as_str().rsplit_once('.').expect("three parts");
    for token in [
        "",
        "x",
        "a.b.c",
        &format!("{signed}.AAAA"),
        &"x".repeat(5000),
    ] {
        assert_eq!(callee.call_with(token).await.status, 401);
    }
    assert!(publisher.fetches().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_thousand_requests_wait() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let (_keys, callee) = ready(&publisher).await;
    publisher.delay(Duration::from_secs(1));
    let stranger = key("unknown");
    let mut calls = JoinSet::new();
    for _ in 0..2000 {
        let (callee, stranger) = (callee.clone(), stranger.clone());
        calls.spawn(async move { callee.call(&stranger).await });
    }
    let outcomes = calls.join_all().await;
    let waited = outcomes
        .iter()
        .filter(|outcome| !outcome.took.is_zero())
        .count();
    assert_eq!(waited, 1024);
    assert!(outcomes.iter().all(|outcome| outcome.status == 401));
}
