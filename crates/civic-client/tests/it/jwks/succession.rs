//! One set replaces another one.

use std::time::Duration;

use civic_auth::{Cause, KeySource, VerifyingKey};
use civic_testkit::log::Capture;
use tokio::time::sleep;

use super::publisher::{Publisher, json_answer, set};
use super::{Callee, Events, HOUR, key, ready, source};

/// Long enough for a fetch in the background.
const REFRESH: Duration = Duration::from_secs(301);

#[tokio::test(start_paused = true)]
async fn a_removed_key_is_dead_when_the_new_set_is_seen_and_the_others_keep_their_counts() {
    let (old, new) = (key("b-1"), key("b-2"));
    let publisher = Publisher::of(&[&old, &new]);
    let events = Events::default();
    let keys = source(&publisher)
        .observer(events.observer())
        .start()
        .expect("a source");
    keys.ready().await;
    let callee = Callee::new(keys.clone());
    callee.accepts(&old).await;
    callee.accepts(&new).await;
    publisher.publish(set(&[&new]));
    sleep(REFRESH).await;
    let refused = callee.call(&old).await;
    assert_eq!(
        (refused.status, refused.cause),
        (401, Some(Cause::UnknownKey))
    );
    callee.accepts(&new).await;
    let present = keys.current().expect("keys");
    let uses: Vec<_> = present.iter().map(VerifyingKey::uses).collect();
    assert_eq!(uses, [2]);
    let mut events = events.take();
    assert!(events.iter().any(|event| event == "confirmed"));
    events.retain(|event| event != "confirmed");
    assert_eq!(events, [r#"+["b-1", "b-2"] -[]"#, r#"+[] -["b-1"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_under_its_id_is_reported_and_refused() {
    let (known, other, third) = (key("b-1"), key("b-1"), key("b-3"));
    let publisher = Publisher::of(&[&known]);
    let events = Events::default();
    let capture = Capture::start();
    let keys = source(&publisher)
        .observer(events.observer())
        .start()
        .expect("a source");
    keys.ready().await;
    let callee = Callee::new(keys.clone());
    events.take();

    // The rest of the set counts.
    publisher.publish(set(&[&other, &third]));
    sleep(REFRESH).await;
    let refused = callee.call(&other).await;
    assert_eq!(
        (refused.status, refused.cause),
        (401, Some(Cause::WrongSignature))
    );
    callee.accepts(&known).await;
    callee.accepts(&third).await;
    assert_eq!(events.take()[..2], ["changed b-1", r#"+["b-3"] -[]"#]);
    assert_eq!(
        capture
            .text()
            .matches("a key has changed under its id")
            .count(),
        1
    );

    // The known one is used for as long as during an outage, and then none.
    sleep(71 * HOUR).await;
    callee.accepts(&known).await;
    sleep(2 * HOUR).await;
    let refused = callee.call(&known).await;
    assert_eq!(
        (refused.status, refused.cause),
        (401, Some(Cause::UnknownKey))
    );
    let refused = callee.call(&other).await;
    assert_eq!(
        (refused.status, refused.cause),
        (401, Some(Cause::UnknownKey))
    );
    callee.accepts(&third).await;

    // When the known one is back, it is good again.
    publisher.publish(set(&[&known, &third]));
    sleep(REFRESH).await;
    callee.accepts(&known).await;
    assert_eq!(
        capture
            .text()
            .matches("a key has changed under its id")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_during_an_outage_of_73_hours_is_not_believed_and_the_answer_is_503() {
    let (known, other) = (key("b-1"), key("b-1"));
    let publisher = Publisher::of(&[&known]);
    let (_keys, callee) = ready(&publisher).await;
    publisher.fail();
    sleep(73 * HOUR).await;
    publisher.publish(set(&[&other]));
    sleep(REFRESH).await;
    // There is no key that could be believed.
    for key in [&known, &other] {
        let refused = callee.call(key).await;
        assert_eq!(
            (refused.status, refused.cause),
            (503, Some(Cause::KeysUnavailable))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_whose_replicas_have_different_sets_refuses_no_one_they_agree_about() {
    let (common, one, other, twin) = (key("b-0"), key("b-1"), key("b-2"), key("b-1"));
    let sets = [
        set(&[&common, &one]),
        set(&[&common, &other]),
        set(&[&common, &twin]),
    ];
    let publisher = Publisher::new("");
    publisher.answer(move |fetch| json_answer(sets[fetch.number % 3].clone(), &[]));
    let (_keys, callee) = ready(&publisher).await;
    for _ in 0..2000 {
        sleep(Duration::from_secs(7)).await;
        callee.accepts(&common).await;
    }
    // No more fetches than of one set: one in 150 to 300 s.
    let fetches = publisher.fetches().len();
    assert!((45..=95).contains(&fetches), "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn every_key_speaks_for_the_issuer_and_the_profile_of_the_source_only() {
    let billing = key("b-1");
    let claimed = set(&[&billing]).replace(
        r#""use":"sig""#,
        r#""use":"sig","issuer":"payroll","profile":"user""#,
    );
    let publisher = Publisher::new(claimed);
    let (keys, callee) = ready(&publisher).await;
    callee.accepts(&billing).await;
    let minter = |issuer: &'static str| super::minter(&billing).with_issuer(issuer);
    for (token, cause) in [
        (minter("payroll").mint(), Cause::WrongIssuer),
        (
            minter("billing").mint_for(
                &civic_auth::UserClaims::new("u-1", "a@town.example", civic_auth::Role::TaxClerk),
                Duration::from_secs(60),
            ),
            Cause::WrongProfile,
        ),
    ] {
        let refused = callee.call_with(token.as_str()).await;
        assert_eq!((refused.status, refused.cause), (401, Some(cause)));
    }
    assert_eq!(keys.issuer(), "billing");
}
