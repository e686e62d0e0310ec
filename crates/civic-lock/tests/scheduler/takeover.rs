//! What happens to a tick whose holder is gone.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::on_each_store;
use crate::replica::{Config, FencedResource, Replica, Work};
use crate::store::Fixture;
use crate::witness::{
    Witness, assert_fences_rise, assert_no_gap, by_tick, count, interval_that_is_due_soon, pass,
};

/// Beyond ttl and jitter: two processes, two cores, and everything else that runs on them.
const SLACK: Duration = Duration::from_secs(3);

on_each_store! {
    a_killed_holder_is_replaced_within_ttl_and_jitter_whatever_the_length_of_the_job
    a_holder_that_is_shut_down_hands_over_at_once
    a_tick_whose_holder_died_while_later_ticks_were_due_is_still_run
    a_tick_whose_holder_died_is_reported_missed_when_its_grace_is_over
    ticks_for_which_every_replica_was_down_are_reported_missed_once
    a_stopped_holder_is_told_and_its_fenced_write_is_refused_after_the_takeover
}

/// A holder that hangs in its tick, and another replica beside it.
async fn hanging(config: &Config, witness: &Witness) -> (Replica, Replica, u64) {
    let holder = Replica::start("holder", config, witness).await;
    let tick = witness.event("started", Some("holder"), 0).await.tick;
    let other = Replica::start("other", config, witness).await;
    witness.event("ready", Some("other"), 0).await;
    (holder, other, tick)
}

async fn a_killed_holder_is_replaced_within_ttl_and_jitter_whatever_the_length_of_the_job(
    store: Fixture,
) {
    let witness = Witness::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.place())
    };
    let (holder, other, tick) = hanging(&config, &witness).await;
    // Longer than the ttl: what counts is the last renewal, not the beginning.
    pass(2 * config.ttl).await;
    holder.kill().await;
    let killed = Instant::now();
    let started = witness.event("started", Some("other"), 0).await;
    assert_eq!((started.tick, started.attempt), (tick, 2));
    let took = started.at.duration_since(killed);
    assert!(
        took <= config.ttl + Duration::from_millis(250) + SLACK,
        "{took:?}"
    );
    witness.event("took-over", Some("other"), 0).await;
    other.terminate().await;
    assert_fences_rise(&by_tick(&witness.log()));
}

async fn a_holder_that_is_shut_down_hands_over_at_once(store: Fixture) {
    let witness = Witness::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        // Longer than the test is willing to wait, so that neither explains a quick takeover.
        ttl: Duration::from_secs(60),
        poll_cap: Duration::from_secs(60),
        grace: Some(Duration::from_secs(600)),
        // Who stands by looks at the next tick when that is due: a minute later.
        interval: interval_that_is_due_soon(),
        ..Config::new(&store.place())
    };
    let (holder, other, tick) = hanging(&config, &witness).await;
    let before = witness.len();
    holder.terminate().await;
    let gone = Instant::now();
    let started = witness.event("started", Some("other"), before).await;
    assert_eq!((started.tick, started.attempt), (tick, 2));
    let took = started.at.saturating_duration_since(gone);
    assert!(took < SLACK, "{took:?}");
    assert_eq!(count(&witness.log(), &["handed-over"]), 1);
    witness.event("took-over", Some("other"), before).await;
    other.terminate().await;
}

async fn a_tick_whose_holder_died_while_later_ticks_were_due_is_still_run(store: Fixture) {
    let witness = Witness::default();
    let config = Config {
        interval: Duration::from_millis(200),
        work: Work::HangsOn("holder".to_owned()),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.place())
    };
    let (holder, other, tick) = hanging(&config, &witness).await;
    holder.kill().await;
    let caught_up = witness
        .until("ten ticks are done", |log| {
            (count(log, &["ran", "took-over"]) >= 10).then(|| log.to_vec())
        })
        .await;
    other.terminate().await;
    let by_other: Vec<_> = caught_up
        .iter()
        .filter(|record| record.replica == "other" && record.event == "started")
        .map(|record| (record.tick, record.attempt))
        .collect();
    assert_eq!(by_other[0], (tick, 2), "the dead holder's tick comes first");
    for (nth, (later, attempt)) in by_other.iter().enumerate().skip(1) {
        assert_eq!(
            (*later, *attempt),
            (tick + 200 * nth as u64, 1),
            "then every later one, in order"
        );
    }
    assert_eq!(count(&caught_up, &["missed"]), 0);
}

async fn a_tick_whose_holder_died_is_reported_missed_when_its_grace_is_over(store: Fixture) {
    let witness = Witness::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        grace: Some(Duration::from_millis(1500)),
        ..Config::new(&store.place())
    };
    let (holder, other, tick) = hanging(&config, &witness).await;
    pass(Duration::from_secs(2)).await;
    holder.kill().await;
    let missed = witness.event("missed", None, 0).await;
    assert_eq!(missed.tick, tick);
    witness.event("ran", Some("other"), 0).await;
    other.terminate().await;
    let ticks = by_tick(&witness.log());
    assert_eq!(count(&ticks[&tick], &["missed"]), 1);
    assert_eq!(count(&ticks[&tick], &["ran", "took-over"]), 0);
    assert_no_gap(&ticks, config.interval);
}

async fn ticks_for_which_every_replica_was_down_are_reported_missed_once(store: Fixture) {
    let witness = Witness::default();
    let config = Config {
        interval: Duration::from_millis(200),
        grace: Some(Duration::from_millis(500)),
        ..Config::new(&store.place())
    };
    let first = Replica::start("first", &config, &witness).await;
    witness.event("ran", None, 0).await;
    first.terminate().await;
    pass(Duration::from_secs(2)).await;
    let before = witness.len();
    let mut replicas = Vec::new();
    for name in ["a", "b", "c"] {
        replicas.push(Replica::start(name, &config, &witness).await);
    }
    witness.event("ran", None, before).await;
    for replica in replicas {
        replica.terminate().await;
    }
    let ticks = by_tick(&witness.log());
    assert_no_gap(&ticks, config.interval);
    let missed: Vec<_> = ticks
        .values()
        .map(|records| count(records, &["missed"]))
        .filter(|times| *times > 0)
        .collect();
    assert!(
        missed.len() >= 5,
        "two seconds without a replica: {ticks:#?}"
    );
    assert!(
        missed.iter().all(|times| *times == 1),
        "each is reported once: {ticks:#?}"
    );
}

async fn a_stopped_holder_is_told_and_its_fenced_write_is_refused_after_the_takeover(
    store: Fixture,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let resource = folder.path().join("resource");
    let witness = Witness::default();
    let config = Config {
        work: Work::WritesOn("holder".to_owned(), resource.clone()),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.place())
    };
    let (holder, other, tick) = hanging(&config, &witness).await;
    let wrote = witness.event("wrote", Some("holder"), 0).await;
    holder.signal(Signal::STOP);
    let taken_over = witness.event("took-over", Some("other"), 0).await;
    assert_eq!((taken_over.tick, taken_over.attempt), (tick, 2));
    assert!(taken_over.fence > wrote.fence);
    let before = witness.len();
    holder.signal(Signal::CONT);
    // The thread that writes does not care for its lease, but the resource does.
    let refused = witness
        .event("refused-and-told", Some("holder"), before)
        .await;
    assert_eq!((refused.tick, refused.fence), (tick, wrote.fence));
    witness.event("lost", Some("holder"), before).await;
    let stale = witness
        .log()
        .iter()
        .skip(before)
        .filter(|r| r.replica == "holder" && r.event == "wrote")
        .count();
    assert!(FencedResource::at(&resource).write(wrote.fence).is_err());
    assert!(
        stale <= 1,
        "at most the line of a write from before the stop"
    );
    // It may take part again.
    holder.terminate().await;
    other.terminate().await;
}
