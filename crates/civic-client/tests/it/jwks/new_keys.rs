//! A new key is published, and many processes see its first token at the same time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::publisher::{Publisher, set};
use super::{HOUR, key, ready};

#[tokio::test(start_paused = true)]
async fn the_first_token_of_a_new_key_is_accepted_after_one_fetch_without_a_burst() {
    let (old, new) = (key("b-1"), key("b-2"));
    let publisher = Publisher::of(&[&old]);
    publisher.delay(Duration::from_millis(20));
    let mut fleet = Vec::new();
    for _ in 0..100 {
        fleet.push(ready(&publisher).await);
    }
    sleep(HOUR).await;
    publisher.publish(set(&[&old, &new]));
    publisher.forget();
    let published = Instant::now();

    // Three requests each: they share one fetch.
    let mut calls = JoinSet::new();
    for (_, callee) in &fleet {
        for _ in 0..3 {
            let (callee, new) = (callee.clone(), new.clone());
            calls.spawn(async move { callee.call(&new).await });
        }
    }
    for outcome in calls.join_all().await {
        assert_eq!(outcome.status, 200, "{outcome:?}");
        assert!(outcome.took <= Duration::from_secs(1), "{outcome:?}");
    }
    let fetches = publisher.fetches();
    assert_eq!(fetches.len(), fleet.len(), "one per process");
    let mut buckets = [0; 10];
    for fetch in &fetches {
        let millis = (fetch.at - published).as_millis();
        buckets[usize::try_from(millis / 50).expect("small").min(9)] += 1;
    }
    // Ten are expected in each; forty are ten standard deviations more.
    assert!(buckets.iter().all(|count| *count < 40), "{buckets:?}");
    for (_, callee) in &fleet {
        callee.accepts(&new).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_fetches_of_a_hundred_processes_that_started_together_spread() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let mut fleet = Vec::new();
    for _ in 0..100 {
        fleet.push(ready(&publisher).await);
    }
    publisher.forget();
    let start = Instant::now();
    sleep(Duration::from_millis(300_001)).await;
    let mut buckets = [0; 30];
    for fetch in publisher.fetches() {
        let seconds = (fetch.at - start).as_secs();
        buckets[usize::try_from(seconds / 10).expect("small").min(29)] += 1;
    }
    assert_eq!(buckets[..15].iter().sum::<i32>(), 0, "{buckets:?}");
    assert_eq!(buckets[15..].iter().sum::<i32>(), 100, "{buckets:?}");
    // Seven are expected in each; thirty-five are ten standard deviations more.
    assert!(buckets.iter().all(|count| *count < 35), "{buckets:?}");
}

#[tokio::test(start_paused = true)]
async fn the_key_of_another_kind_is_found_as_well() {
    let old = key("b-1");
    let pem = civic_auth::SigningKey::generate_pem(civic_auth::Algorithm::Es256).expect("a key");
    let new = civic_auth::SigningKey::from_pem(pem.as_str()).expect("a key");
    let new = new.with_id("b-2").expect("an id");
    let publisher = Publisher::of(&[&old]);
    let (_keys, callee) = ready(&publisher).await;
    publisher.publish(set(&[&old, &new]));
    assert_eq!(callee.call(&new).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_while_the_old_set_is_on_its_way_is_accepted_after_the_next_fetch() {
    let (old, new) = (key("b-1"), key("b-2"));
    let publisher = Publisher::of(&[&old]);
    let (_keys, callee) = ready(&publisher).await;
    publisher.delay(Duration::from_millis(200));
    publisher.forget();
    // Wait until a fetch in the background is under way, which finds the old set.
    while publisher.fetches().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    publisher.publish(set(&[&old, &new]));
    let accepted = callee.call(&new).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    assert_eq!(publisher.fetches().len(), 2);
}
