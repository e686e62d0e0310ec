//! The publisher cannot be reached, or is slow.

use std::time::Duration;

use civic_auth::Cause;
use civic_testkit::log::Capture;
use tokio::time::sleep;

use super::publisher::{Publisher, set};
use super::{Callee, Events, HOUR, key, ready, source};

#[tokio::test(start_paused = true)]
async fn an_outage_of_24_hours_refuses_no_one_and_one_of_73_hours_is_503() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let (keys, callee) = ready(&publisher).await;
    publisher.fail();
    for _ in 0..71 {
        sleep(HOUR).await;
        callee.accepts(&billing).await;
    }
    assert!(keys.check().is_ok());

    sleep(2 * HOUR).await;
    let refused = callee.call(&billing).await;
    assert_eq!(
        (refused.status, refused.cause),
        (503, Some(Cause::KeysUnavailable))
    );
    assert_eq!(refused.retry_after.expect("retry-after"), "1");
    assert!(refused.took <= Duration::from_secs(1), "{:?}", refused.took);
    let error = keys.check().expect_err("no keys").to_string();
    assert!(
        error.contains("billing") && error.contains("73 hours"),
        "{error}"
    );

    // It is found again within the longest pause between two fetches.
    publisher.publish(set(&[&billing]));
    sleep(Duration::from_secs(70)).await;
    callee.accepts(&billing).await;
    assert!(keys.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn before_the_first_set_the_answer_is_503_and_the_first_set_is_found_soon() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    publisher.delay(Duration::from_millis(300));
    let keys = source(&publisher).start().expect("a source");
    let callee = Callee::new(keys.clone());
    let error = keys.check().expect_err("no keys").to_string();
    assert!(error.contains("not been fetched yet"), "{error}");
    assert_eq!(keys.age(), None);

    // A request that comes while the first set is fetched waits for it.
    let waited = callee.call(&billing).await;
    assert_eq!(waited.status, 200);
    assert!(
        waited.took <= Duration::from_millis(810),
        "{:?}",
        waited.took
    );

    let down = Publisher::of(&[&billing]);
    down.fail();
    let keys = source(&down).start().expect("a source");
    let callee = Callee::new(keys.clone());
    for _ in 0..30 {
        let refused = callee.call(&billing).await;
        assert_eq!(
            (refused.status, refused.cause),
            (503, Some(Cause::KeysUnavailable))
        );
        assert!(refused.took <= Duration::from_secs(1), "{:?}", refused.took);
        sleep(Duration::from_secs(1)).await;
    }
    down.publish(set(&[&billing]));
    tokio::time::timeout(Duration::from_secs(70), keys.ready())
        .await
        .expect("within the longest pause between two fetches");
    callee.accepts(&billing).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_was_never_reached_is_asked_again_every_second_or_two() {
    let down = civic_client::ServiceClient::builder("http://127.0.0.1:1")
        .anonymous()
        .build_in_process(tower::service_fn(
            |_: http::Request<civic_client::Body>| async {
                let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                let error = civic_client::Error::new(civic_client::ErrorKind::Connect);
                Err::<http::Response<String>, _>(error.with_source(refused))
            },
        ))
        .expect("a client");
    let events = Events::default();
    let keys = civic_client::jwks::JwksSourceBuilder::new(down, "billing")
        .observer(events.observer())
        .start()
        .expect("a source");
    sleep(Duration::from_secs(60)).await;
    let failures = events.take().len();
    // A fetch has three attempts in about 1.5 s, and the pause is 1 to 2 s.
    assert!((13..=30).contains(&failures), "{failures}");
    drop(keys);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_a_second_for_a_slow_publisher_and_finds_the_key_when_it_has_come() {
    let (old, new) = (key("b-1"), key("b-2"));
    let publisher = Publisher::of(&[&old]);
    let (_keys, callee) = ready(&publisher).await;
    publisher.publish(set(&[&old, &new]));
    publisher.delay(Duration::from_millis(1800));
    let refused = callee.call(&new).await;
    assert_eq!(
        (refused.status, refused.cause),
        (401, Some(Cause::UnknownKey))
    );
    assert_eq!(refused.took, Duration::from_secs(1));
    // The others do not notice.
    callee.accepts(&old).await;
    sleep(Duration::from_millis(1500)).await;
    callee.accepts(&new).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_when_it_begins_each_hour_and_when_it_ends() {
    let billing = key("b-1");
    let publisher = Publisher::of(&[&billing]);
    let capture = Capture::start();
    let keys = source(&publisher)
        .max_stale(4 * HOUR)
        .start()
        .expect("a source");
    keys.ready().await;
    publisher.fail();
    sleep(3 * HOUR + HOUR / 2).await;
    let count = |text: &str| capture.text().matches(text).count();
    assert_eq!(count("the keys stay as they were"), 4);
    sleep(2 * HOUR).await;
    assert!((1..=2).contains(&count("requests are answered with 503")));
    publisher.publish(set(&[&billing]));
    sleep(Duration::from_secs(70)).await;
    assert_eq!(count("a key set could be fetched again"), 1);
}
