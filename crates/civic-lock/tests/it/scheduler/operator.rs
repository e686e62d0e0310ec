//! What running replicas make of an operator's orders.

use std::time::Duration;

use civic_lock::{Job, RunRequest, Scheduler, Tick};

use crate::support::event_log::{EventLog, count, elapse};
use crate::support::local::{Local, every};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    a_paused_job_begins_no_tick_until_it_is_resumed,
    a_run_that_is_asked_for_is_run_once_by_one_replica_even_while_the_job_is_paused,
    a_run_that_is_asked_for_moves_no_watermark,
    a_run_that_is_asked_for_and_handed_over_does_not_use_up_its_attempts,
    a_watermark_that_is_set_back_is_believed_by_running_replicas,
    a_watermark_that_is_set_back_is_believed_by_a_replica_that_has_nothing_to_claim,
    a_watermark_that_is_set_while_a_tick_runs_is_not_moved_by_its_end,
}

fn quick(scheduler: Scheduler) -> Scheduler {
    scheduler.poll_cap(Duration::from_millis(100))
}

/// A job that is not due before the test ends.
fn yearly() -> Job {
    Job::cron("job", "0 0 29 2 *").expect("a job")
}

async fn a_paused_job_begins_no_tick_until_it_is_resumed(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    let local = Local::start(&locks, every(200), &events, quick, |_| async { Ok(()) });
    events.event("ran", None, 0).await;
    let since = admin.pause("job").await.expect("registered");
    let paused = events.event("paused", None, 0).await;
    let seen = events.len();
    elapse(Duration::from_secs(1)).await;
    let meanwhile = &events.log()[seen..];
    assert_eq!(count(meanwhile, &["started"]), 0, "{meanwhile:#?}");
    assert_eq!(admin.resume("job").await.expect("registered"), Some(since));
    let ran = events.event("ran", None, seen).await;
    assert!(ran.at > paused.at);
    events.event("resumed", None, seen).await;
    local.stop().await;
}

async fn a_run_that_is_asked_for_is_run_once_by_one_replica_even_while_the_job_is_paused(
    store: Fixture,
) {
    let events = EventLog::default();
    let replicas: Vec<_> = (0..3)
        .map(|_| {
            Local::start(&store.replica(), yearly(), &events, quick, |_| async {
                Ok(())
            })
        })
        .collect();
    let admin = store.location().locks().admin();
    while admin.pause("job").await.is_err() {
        tokio::task::yield_now().await;
    }
    let tick = Tick::from_millis(1_772_089_200_000);
    let request = admin.run_now("job", Some(tick)).await.expect("registered");
    assert_eq!(request, RunRequest::Due(tick));
    let ran = events.event("ran", None, 0).await;
    assert_eq!((ran.tick, ran.attempt), (tick.as_millis(), 1));
    while admin.job("job").await.expect("registered").due.is_some() {
        tokio::task::yield_now().await;
    }
    // Another one may be asked for now, and is another run.
    let again = admin.run_now("job", Some(tick)).await.expect("registered");
    assert_eq!(again, RunRequest::Due(tick));
    events
        .until("it has run again", |log| {
            (count(log, &["ran"]) == 2).then_some(())
        })
        .await;
    for replica in replicas {
        replica.stop().await;
    }
    let log = events.log();
    assert_eq!(count(&log, &["started"]), 2, "{log:#?}");
    let history = admin.history("job", 10).await.expect("registered");
    assert_eq!(history.len(), 2);
    assert!(
        history
            .iter()
            .all(|run| run.outcome == "ran" && run.tick == tick)
    );
}

async fn a_run_that_is_asked_for_moves_no_watermark(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    let local = Local::start(&locks, yearly(), &events, quick, |_| async { Ok(()) });
    let before = loop {
        if let Ok(job) = admin.job("job").await {
            break job.done;
        }
    };
    admin.run_now("job", None).await.expect("registered");
    events.event("ran", None, 0).await;
    local.stop().await;
    assert_eq!(admin.job("job").await.expect("registered").done, before);
}

async fn a_run_that_is_asked_for_and_handed_over_does_not_use_up_its_attempts(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    for n in 1..=3 {
        let job = yearly().max_attempts(2);
        let seen = events.len();
        let local = Local::start(&locks, job, &events, quick, |_| std::future::pending());
        while admin.run_now("job", None).await.is_err() {
            tokio::task::yield_now().await;
        }
        let started = events.event("started", None, seen).await;
        assert_eq!(started.attempt, n);
        local.stop().await;
        events.event("handed-over", None, seen).await;
    }
    let job = yearly().max_attempts(2);
    let local = Local::start(&locks, job, &events, quick, |_| async { Ok(()) });
    let ran = events.event("took-over", None, 0).await;
    assert_eq!(ran.attempt, 4);
    local.stop().await;
    assert_eq!(count(&events.log(), &["dead-letter"]), 0);
}

async fn a_watermark_that_is_set_back_is_believed_by_running_replicas(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    let local = Local::start(&locks, every(500), &events, quick, |_| async { Ok(()) });
    let first = events.event("ran", None, 0).await;
    events
        .until("some more ticks", |log| {
            (count(log, &["ran"]) >= 3).then_some(())
        })
        .await;
    let back = Tick::from_millis(first.tick - 500);
    admin.reset("job", back).await.expect("registered");
    // It goes on from there: the first tick runs again.
    let again = events
        .until("the first tick after the reset", |log| {
            let mut after = log.iter().skip_while(|record| record.event != "reset");
            after.find(|record| record.event == "started").cloned()
        })
        .await;
    assert_eq!(again.tick, first.tick);
    local.stop().await;
}

async fn a_watermark_that_is_set_back_is_believed_by_a_replica_that_has_nothing_to_claim(
    store: Fixture,
) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    let replica = Local::start(&locks, yearly(), &events, quick, |_| async { Ok(()) });
    let latest = loop {
        if let Ok(job) = admin.job("job").await {
            break job.done;
        }
        tokio::task::yield_now().await;
    };
    // It has read the watermark once it obeys an operator: no claim tells it of the next change.
    admin.run_now("job", None).await.expect("registered");
    events.event("ran", None, 0).await;
    let seen = events.len();
    let back = Tick::from_millis(latest.as_millis() - 1);
    admin.reset("job", back).await.expect("registered");
    // By its own look.
    events.event("reset", None, seen).await;
    // The tick after it is due again, and its grace is over.
    let missed = events.event("missed", None, seen).await;
    assert_eq!(missed.tick, latest.as_millis());
    assert_eq!(admin.job("job").await.expect("registered").done, latest);
    replica.stop().await;
}

async fn a_watermark_that_is_set_while_a_tick_runs_is_not_moved_by_its_end(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let admin = locks.admin();
    let (go, gone) = tokio::sync::watch::channel(false);
    let local = Local::start(&locks, every(500), &events, quick, move |_| {
        let mut gone = gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await;
            Ok(())
        }
    });
    let running = events.event("started", None, 0).await;
    // Back over four ticks, which the end of the running one must not declare done.
    let back = Tick::from_millis(running.tick - 2000);
    admin.reset("job", back).await.expect("registered");
    go.send(true).expect("it runs");
    let ran = events.event("ran", None, 0).await;
    assert_eq!(ran.tick, running.tick);
    let next = events
        .until("the next one begins", |log| {
            let mut started = log.iter().filter(|record| record.event == "started");
            started.nth(1).cloned()
        })
        .await;
    assert_eq!(next.tick, running.tick - 1500);
    local.stop().await;
}
