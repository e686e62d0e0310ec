//! What each delivery guarantee is worth when holders are killed at random.

use std::time::Duration;

use civic_lock::Delivery;

use crate::support::event_log::{EventLog, assert_fences_rise, assert_no_gap, by_tick, count};
use crate::support::replica::{Config, Replica, Work};
use crate::support::store::{Fixture, on_each_store};

/// The work has come to its end.
const WORKED: [&str; 1] = ["worked"];

on_each_store! {
    at_least_once_runs_every_tick_when_holders_die_and_the_interval_is_longer_than_the_ttl,
    at_least_once_runs_every_tick_when_holders_die_and_the_interval_is_shorter_than_the_ttl,
    at_most_once_never_runs_a_tick_twice_when_holders_die,
}

/// Lets `ticks` ticks pass; every so often the replica that has just begun one is killed and
/// another one is started in its place.
async fn with_killers(config: &Config, events: &EventLog, ticks: usize) -> usize {
    let mut replicas = Vec::new();
    for n in 0..3 {
        replicas.push(Replica::start(&format!("r{n}"), config, events).await);
    }
    let (mut seen, mut kills, mut spared) = (0, 0, 0);
    loop {
        let settled = |log: &[_]| {
            by_tick(log)
                .values()
                .filter(|records| count(records, &WORKED) > 0)
                .count()
        };
        let Some(started) = events
            .until("something begins, or enough is done", |log| {
                if settled(log) >= ticks {
                    return Some(None);
                }
                let nth = log
                    .iter()
                    .skip(seen)
                    .position(|record| record.event == "started")?;
                Some(Some((seen + nth + 1, log[seen + nth].clone())))
            })
            .await
        else {
            break;
        };
        let (next, record) = started;
        seen = next;
        let alive = replicas
            .iter()
            .position(|replica: &Replica| replica.name == record.replica);
        // About a third of the ticks, at no regular distance: the fence ends in the store's
        // microseconds.
        spared += 1;
        if let (Some(nth), true) = (alive, record.fence.is_multiple_of(3) || spared > 3) {
            spared = 0;
            replicas.swap_remove(nth).kill().await;
            kills += 1;
            replicas.push(Replica::start(&format!("r{}", 3 + kills), config, events).await);
        }
    }
    for replica in replicas {
        replica.terminate().await;
    }
    kills
}

async fn at_least_once(config: &Config, ticks: usize) {
    let events = EventLog::default();
    let kills = with_killers(config, &events, ticks).await;
    let log = events.log();
    let by_tick = by_tick(&log);
    assert!(kills > 0, "no replica was killed");
    assert_no_gap(&by_tick, config.interval);
    assert_fences_rise(&by_tick);
    assert_eq!(count(&log, &["missed"]), 0);
    for (tick, records) in by_tick
        .iter()
        .filter(|(_, records)| count(records, &["started"]) > 0)
        .take(ticks)
    {
        assert!(
            count(records, &WORKED) >= 1,
            "tick {tick} was never run to its end: {records:#?}"
        );
    }
}

async fn at_least_once_runs_every_tick_when_holders_die_and_the_interval_is_longer_than_the_ttl(
    store: Fixture,
) {
    let config = Config {
        interval: Duration::from_millis(1200),
        ttl: Duration::from_millis(600),
        work: Work::Takes(Duration::from_millis(200)),
        grace: Some(Duration::from_secs(30)),
        ..Config::new(&store.location())
    };
    at_least_once(&config, 15).await;
}

async fn at_least_once_runs_every_tick_when_holders_die_and_the_interval_is_shorter_than_the_ttl(
    store: Fixture,
) {
    let config = Config {
        interval: Duration::from_millis(250),
        ttl: Duration::from_millis(1000),
        work: Work::Takes(Duration::from_millis(50)),
        // Covers the longest series of takeovers.
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.location())
    };
    at_least_once(&config, 30).await;
}

async fn at_most_once_never_runs_a_tick_twice_when_holders_die(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(1200),
        ttl: Duration::from_millis(800),
        // Longer than it takes to kill the one that has said that it began.
        work: Work::Takes(Duration::from_secs(1)),
        delivery: Delivery::AtMostOnce,
        grace: Some(Duration::from_secs(30)),
        ..Config::new(&store.location())
    };
    let kills = with_killers(&config, &events, 10).await;
    assert!(kills > 0, "no replica was killed");
    let ticks = by_tick(&events.log());
    let mut lost = 0;
    for (tick, records) in &ticks {
        assert!(
            count(records, &["started"]) <= 1,
            "tick {tick} was begun twice: {records:#?}"
        );
        lost += usize::from(count(records, &["started"]) == 1 && count(records, &WORKED) == 0);
    }
    // That is the price.
    assert!(lost > 0, "{kills} were killed in the middle of a tick");
    assert_no_gap(&ticks, config.interval);
}
