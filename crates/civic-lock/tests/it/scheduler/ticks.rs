//! Each tick on exactly one replica.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_lock::{Event, Job, LockService, Scheduler};

use crate::support::event_log::{EventLog, Record, assert_no_gap, by_tick, count};
use crate::support::replica::{Config, Replica, Work};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    five_replicas_with_skewed_clocks_run_each_of_100_ticks_once,
    a_job_longer_than_its_interval_never_overlaps_and_leaves_no_tick_out,
}

/// The job is far shorter than the clocks differ: a lock alone would run most ticks five times.
async fn five_replicas_with_skewed_clocks_run_each_of_100_ticks_once(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(200),
        ttl: Duration::from_secs(10),
        poll_cap: Duration::from_millis(500),
        ..Config::new(&store.location())
    };
    let mut replicas = Vec::new();
    for (name, skew_ms) in [
        ("a", -2000),
        ("b", -1000),
        ("c", 0),
        ("d", 1000),
        ("e", 2000),
    ] {
        replicas.push(
            Replica::start(
                name,
                &Config {
                    skew_ms,
                    ..config.clone()
                },
                &events,
            )
            .await,
        );
    }
    // The one whose clock is ahead runs everything: let it go after half of the ticks.
    let done = |log: &[_]| {
        by_tick(log)
            .values()
            .filter(|records| count(records, &["ran", "took-over"]) > 0)
            .count()
    };
    events
        .until("half of the ticks are done, and it is up", |log| {
            let leads = |record: &Record| record.replica == "e" && record.event == "ran";
            (done(log) >= 50 && log.iter().any(leads)).then_some(())
        })
        .await;
    replicas.pop().expect("five").terminate().await;
    // Four seconds later than the one that is gone, the last one sees the last of these ticks.
    events
        .until("all replicas have settled 100 ticks", |log| {
            let hundredth = *by_tick(log)
                .iter()
                .filter(|(_, records)| count(records, &["ran", "took-over"]) > 0)
                .nth(99)?
                .0;
            let settled = |name: &str| {
                log.iter().any(|record| {
                    record.replica == name && record.tick >= hundredth && record.event != "started"
                })
            };
            ["a", "b", "c", "d"].into_iter().all(settled).then_some(())
        })
        .await;
    for replica in replicas {
        replica.terminate().await;
    }

    let log = events.log();
    let ticks = by_tick(&log);
    assert_no_gap(&ticks, config.interval);
    assert_eq!(
        count(&log, &["missed", "lost", "failed", "clock-ahead"]),
        0,
        "{log:#?}"
    );
    let begun: Vec<_> = ticks
        .iter()
        .filter(|(_, records)| count(records, &["started"]) > 0)
        .take(100)
        .collect();
    assert_eq!(begun.len(), 100);
    for (tick, records) in begun {
        // A replica that was shut down in the middle of a tick has handed it over, which is a
        // second start.
        let handed_over = count(records, &["handed-over"]);
        assert_eq!(
            count(records, &["started"]),
            1 + handed_over,
            "tick {tick}: {records:#?}"
        );
        assert_eq!(
            count(records, &["ran", "took-over"]),
            1,
            "tick {tick}: {records:#?}"
        );
    }
    let runs_by = |name: &str| {
        log.iter()
            .filter(|record| record.replica == name && record.event == "ran")
            .count()
    };
    assert!(
        runs_by("e") > 0 && runs_by("d") > 0,
        "both clocks that were ahead have led"
    );
}

async fn a_job_longer_than_its_interval_never_overlaps_and_leaves_no_tick_out(store: Fixture) {
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(200),
        work: Work::Takes(Duration::from_millis(300)),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&store.location())
    };
    let mut replicas = Vec::new();
    for name in ["a", "b", "c"] {
        replicas.push(Replica::start(name, &config, &events).await);
    }
    events
        .until("12 ticks are done", |log| {
            (count(log, &["ran"]) >= 12).then_some(())
        })
        .await;
    for replica in replicas {
        replica.terminate().await;
    }
    let log = events.log();
    let ticks = by_tick(&log);
    assert_no_gap(&ticks, config.interval);
    // Fences are handed out in the order of the claims: one replica's run must end before the next
    // begins. Lines of one replica come in order; those of two may overtake each other in the
    // pipes, so only the order of ticks is compared across replicas.
    let mut begun: Vec<_> = log
        .iter()
        .filter(|record| record.event == "started")
        .collect();
    begun.sort_by_key(|record| record.fence);
    assert!(
        begun.is_sorted_by_key(|record| record.tick),
        "oldest first: {begun:#?}"
    );
    // Fences are microseconds of the store's clock: two runs of 300 ms lie that far apart.
    for pair in begun.windows(2).filter(|pair| pair[0].tick != pair[1].tick) {
        assert!(pair[1].fence - pair[0].fence >= 300_000, "{pair:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_schedule_begin_apart_by_their_jitter() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let lateness = Arc::new(Mutex::new(Vec::new()));
    let seen = lateness.clone();
    let mut scheduler = Scheduler::new(&locks).on_event(move |_, event| {
        if let Event::Started(attempt) = event {
            seen.lock().expect("no panic").push(attempt.lateness);
        }
    });
    for n in 0..8 {
        let job = Job::every(format!("job-{n}"), Duration::from_millis(1500))
            .expect("a job")
            .jitter(Duration::from_secs(1));
        let quick = |_| async { Ok::<(), std::io::Error>(()) };
        scheduler = scheduler.job(job, quick).expect("a valid job");
    }
    let begun = lateness.clone();
    let enough = async move {
        while begun.lock().expect("no panic").len() < 24 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    scheduler.run(enough).await;
    let lateness = lateness.lock().expect("no panic").clone();
    // Each is random below a second. That only two of 24 are in the second half of it is as good as
    // impossible.
    let apart = lateness
        .iter()
        .filter(|late| **late >= Duration::from_millis(500));
    assert!(apart.count() > 2, "{lateness:?}");
}
