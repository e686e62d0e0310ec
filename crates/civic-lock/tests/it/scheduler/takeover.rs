//! What happens to a tick whose holder is gone.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::event_log::{
    EventLog, assert_fences_rise, assert_no_gap, by_tick, count, elapse, interval_that_is_due_soon,
};
use crate::support::replica::{Config, FencedResource, Replica, Work};
use crate::support::store::{Fixture, on_each_store};

/// Beyond ttl and jitter: two processes, two cores, and everything else that runs on them.
const SLACK: Duration = Duration::from_secs(20);

on_each_store! {
    a_killed_holder_is_replaced_within_ttl_and_jitter_whatever_the_length_of_the_job,
    a_holder_that_is_shut_down_hands_over_at_once,
    a_tick_whose_holder_died_while_later_ticks_were_due_is_still_run,
    a_tick_whose_holder_died_is_reported_missed_when_its_grace_is_over,
    ticks_for_which_every_replica_was_down_are_reported_missed_once,
    a_stopped_holder_is_told_and_its_fenced_write_is_refused_after_the_takeover,
}

/// A holder that hangs in its tick, and another replica beside it.
async fn hanging(config: &Config, events: &EventLog) -> (Replica, Replica, u64) {
    let holder = Replica::start("holder", config, events).await;
    let tick = events.event("started", Some("holder"), 0).await.tick;
    let other = Replica::start("other", config, events).await;
    events.event("ready", Some("other"), 0).await;
    (holder, other, tick)
}

async fn a_killed_holder_is_replaced_within_ttl_and_jitter_whatever_the_length_of_the_job(
    store: Fixture,
) {
    let events = EventLog::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        // Longer than the test is willing to wait.
        poll_cap: Duration::from_secs(60),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.location())
    };
    let (holder, other, tick) = hanging(&config, &events).await;
    // Longer than the ttl: what counts is the last renewal, not the beginning.
    elapse(2 * config.ttl).await;
    holder.kill().await;
    let killed = Instant::now();
    let started = events.event("started", Some("other"), 0).await;
    assert_eq!((started.tick, started.attempt), (tick, 2));
    let took = started.at.duration_since(killed);
    assert!(
        took <= config.ttl + Duration::from_millis(250) + SLACK,
        "{took:?}"
    );
    events.event("took-over", Some("other"), 0).await;
    other.terminate().await;
    assert_fences_rise(&by_tick(&events.log()));
}

async fn a_holder_that_is_shut_down_hands_over_at_once(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        // Longer than the test is willing to wait, so that neither explains a quick takeover.
        ttl: Duration::from_secs(60),
        poll_cap: Duration::from_secs(60),
        grace: Some(Duration::from_secs(600)),
        // Who stands by looks at the next tick when that is due: a minute later.
        interval: interval_that_is_due_soon(),
        ..Config::new(&store.location())
    };
    let (holder, other, tick) = hanging(&config, &events).await;
    let before = events.len();
    holder.terminate().await;
    let gone = Instant::now();
    let started = events.event("started", Some("other"), before).await;
    assert_eq!((started.tick, started.attempt), (tick, 2));
    let took = started.at.saturating_duration_since(gone);
    assert!(took < SLACK, "{took:?}");
    assert_eq!(count(&events.log(), &["handed-over"]), 1);
    events.event("took-over", Some("other"), before).await;
    other.terminate().await;
}

async fn a_tick_whose_holder_died_while_later_ticks_were_due_is_still_run(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(200),
        work: Work::HangsOn("holder".to_owned()),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.location())
    };
    let (holder, other, tick) = hanging(&config, &events).await;
    holder.kill().await;
    let caught_up = events
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
    let events = EventLog::default();
    let config = Config {
        work: Work::HangsOn("holder".to_owned()),
        grace: Some(Duration::from_millis(1500)),
        ..Config::new(&store.location())
    };
    let (holder, other, tick) = hanging(&config, &events).await;
    elapse(Duration::from_secs(2)).await;
    holder.kill().await;
    let missed = events.event("missed", None, 0).await;
    assert_eq!(missed.tick, tick);
    events.event("ran", Some("other"), 0).await;
    other.terminate().await;
    let ticks = by_tick(&events.log());
    assert_eq!(count(&ticks[&tick], &["missed"]), 1);
    assert_eq!(count(&ticks[&tick], &["ran", "took-over"]), 0);
    assert_no_gap(&ticks, config.interval);
}

async fn ticks_for_which_every_replica_was_down_are_reported_missed_once(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(200),
        grace: Some(Duration::from_millis(500)),
        ..Config::new(&store.location())
    };
    let first = Replica::start("first", &config, &events).await;
    events.event("ran", None, 0).await;
    first.terminate().await;
    elapse(Duration::from_secs(2)).await;
    let before = events.len();
    let mut replicas = Vec::new();
    for name in ["a", "b", "c"] {
        replicas.push(Replica::start(name, &config, &events).await);
    }
    events.event("ran", None, before).await;
    for replica in replicas {
        replica.terminate().await;
    }
    let ticks = by_tick(&events.log());
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
    let events = EventLog::default();
    let config = Config {
        work: Work::WritesOn("holder".to_owned(), resource.clone()),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.location())
    };
    let (holder, other, tick) = hanging(&config, &events).await;
    let wrote = events.event("wrote", Some("holder"), 0).await;
    // A holder that was stopped in the middle of a write would keep every other writer waiting.
    let guard = FencedResource::at(&resource).guard().expect("a resource");
    holder.signal(Signal::STOP);
    drop(guard);
    let taken_over = events.event("took-over", Some("other"), 0).await;
    assert_eq!((taken_over.tick, taken_over.attempt), (tick, 2));
    assert!(taken_over.fence > wrote.fence);
    let before = events.len();
    holder.signal(Signal::CONT);
    // The thread that writes does not care for its lease, but the resource does.
    let refused = events
        .event("refused-and-told", Some("holder"), before)
        .await;
    assert_eq!((refused.tick, refused.fence), (tick, wrote.fence));
    events.event("lost", Some("holder"), before).await;
    let stale = events
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
