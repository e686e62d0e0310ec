//! What becomes of a tick, within one replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use civic_lock::{Delivery, Event, Job, LockService, OnError, Run, Scheduler};
use tokio::sync::oneshot;

use crate::on_each_store;
use crate::replica::JOB;
use crate::store::Fixture;
use crate::witness::{Witness, assert_fences_rise, assert_no_gap, by_tick, count};

on_each_store! {
    a_failed_tick_is_consumed_by_default
    a_failed_tick_is_retried_within_its_bound_and_then_consumed
    a_panic_in_the_work_is_a_failure_and_stays_there
    a_panic_in_the_observer_stays_there
    work_that_drains_at_shutdown_is_not_handed_over
    work_has_ended_before_its_tick_is_handed_over
    stuck_work_loses_its_lease_at_max_hold
    a_clock_that_is_far_ahead_waits_for_the_store
    a_fast_clock_cannot_declare_done_what_is_not_due
    a_clock_that_is_behind_goes_by_the_stores
    work_that_may_run_at_most_once_is_lost_at_shutdown_and_says_so
    dropping_the_scheduler_gives_the_tick_to_somebody_else
}

/// A scheduler in this process; stopped when told to.
struct Local {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Local {
    fn start<F>(
        locks: &LockService,
        job: Job,
        witness: &Witness,
        settings: impl FnOnce(Scheduler) -> Scheduler,
        work: impl Fn(Run) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), std::io::Error>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let seen = witness.clone();
        let scheduler =
            settings(Scheduler::new(locks).on_event(move |_, event| tell(&seen, event)))
                .job(job, work)
                .expect("a valid job");
        let task = tokio::spawn(scheduler.run(async {
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).expect("running");
        self.task.await.expect("no panic");
    }
}

fn tell(witness: &Witness, event: &Event) {
    let (fence, attempt) = event
        .turn()
        .map_or((0, 0), |turn| (turn.fence, turn.attempt));
    let tick = event.tick().map_or(0, civic_lock::Tick::as_millis);
    let name = match event {
        Event::Failed { error, then, .. } => format!("failed:{}:{then:?}", error.replace(' ', "_")),
        Event::Lost { reason, .. } => format!("lost:{reason:?}"),
        _ => event.name().to_owned(),
    };
    witness.saw(
        "here",
        &format!("{name} {tick} {fence} {attempt}"),
        Instant::now(),
    );
}

fn every(millis: u64) -> Job {
    Job::every(JOB, Duration::from_millis(millis))
        .expect("a job")
        .ttl(Duration::from_secs(1))
        .misfire_grace(Duration::from_secs(60))
}

async fn a_failed_tick_is_consumed_by_default(store: Fixture) {
    let witness = Witness::default();
    let local = Local::start(
        &store.place().locks(),
        every(200),
        &witness,
        |s| s,
        |_| async { Err(std::io::Error::other("no paper")) },
    );
    witness
        .until("three ticks have failed", |log| {
            (count(log, &["failed:no_paper:Consumed"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    let ticks = by_tick(&witness.log());
    assert_no_gap(&ticks, Duration::from_millis(200));
    for records in ticks.values() {
        assert!(count(records, &["started"]) <= 1, "{records:#?}");
        assert_eq!(
            count(records, &["ran", "took-over", "lost:NotOwner"]),
            0,
            "{records:#?}"
        );
    }
}

async fn a_failed_tick_is_retried_within_its_bound_and_then_consumed(store: Fixture) {
    let witness = Witness::default();
    let retry = OnError::Retry {
        attempts: 3,
        delay: Duration::from_millis(10),
    };
    let local = Local::start(
        &store.place().locks(),
        every(500).on_error(retry),
        &witness,
        |s| s,
        |_| async { Err(std::io::Error::other("no paper")) },
    );
    let done = witness.event("failed:no_paper:Consumed", None, 0).await;
    assert_eq!(done.attempt, 3);
    let next = witness
        .until("the next tick begins", |log| {
            log.iter()
                .find(|r| r.event == "started" && r.tick > done.tick)
                .cloned()
        })
        .await;
    assert_eq!(next.attempt, 1);
    local.stop().await;
    let ticks = by_tick(&witness.log());
    assert_fences_rise(&ticks);
    assert_eq!(count(&ticks[&done.tick], &["started"]), 3);
    assert_eq!(count(&ticks[&done.tick], &["failed:no_paper:Retried"]), 2);
}

async fn a_panic_in_the_work_is_a_failure_and_stays_there(store: Fixture) {
    let witness = Witness::default();
    let times = Arc::new(AtomicUsize::new(0));
    let local = Local::start(
        &store.place().locks(),
        every(200),
        &witness,
        |s| s,
        move |_| {
            // Also where there is no future yet.
            assert!(
                times.fetch_add(1, Ordering::Relaxed) != 0,
                "before the first await"
            );
            let second = times.load(Ordering::Relaxed) == 2;
            async move {
                assert!(!second, "in the middle");
                Ok(())
            }
        },
    );
    witness
        .event("failed:panicked:_before_the_first_await:Consumed", None, 0)
        .await;
    witness
        .event("failed:panicked:_in_the_middle:Consumed", None, 0)
        .await;
    witness.event("ran", None, 0).await;
    local.stop().await;
}

async fn a_panic_in_the_observer_stays_there(store: Fixture) {
    let witness = Witness::default();
    let seen = witness.clone();
    let panicking = move |scheduler: Scheduler| {
        scheduler.on_event(move |_, event| {
            tell(&seen, event);
            panic!("an observer that cannot cope");
        })
    };
    let local = Local::start(
        &store.place().locks(),
        every(200),
        &witness,
        panicking,
        |_| async { Ok(()) },
    );
    witness
        .until("two ticks have run", |log| {
            (count(log, &["ran"]) >= 2).then_some(())
        })
        .await;
    local.stop().await;
}

async fn work_that_drains_at_shutdown_is_not_handed_over(store: Fixture) {
    let witness = Witness::default();
    let drain = |scheduler: Scheduler| scheduler.drain(Duration::from_secs(30));
    let (go, gone) = oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let local = Local::start(
        &store.place().locks(),
        every(200),
        &witness,
        drain,
        move |_| {
            let gone = gone.clone();
            async move {
                let gone = gone.lock().await.take().expect("runs once");
                gone.await.map_err(std::io::Error::other)
            }
        },
    );
    let started = witness.event("started", None, 0).await;
    local.stop.send(()).expect("running");
    go.send(()).expect("waiting");
    local.task.await.expect("no panic");
    let log = witness.log();
    assert_eq!(count(&log, &["handed-over"]), 0);
    assert!(
        log.iter()
            .any(|record| record.event == "ran" && record.tick == started.tick)
    );
    assert_eq!(
        count(&log, &["started"]),
        1,
        "nothing is begun after the shutdown: {log:#?}"
    );
}

async fn work_has_ended_before_its_tick_is_handed_over(store: Fixture) {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let witness = Witness::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (flag, seen, told) = (ended.clone(), ended.clone(), witness.clone());
    let observe = move |scheduler: Scheduler| {
        scheduler.on_event(move |_, event| {
            if event.name() == "handed-over" {
                assert!(
                    seen.load(Ordering::SeqCst),
                    "handed over while the work was alive"
                );
            }
            tell(&told, event);
        })
    };
    let first = Local::start(
        &store.place().locks(),
        every(500),
        &witness,
        observe,
        move |_| {
            let flag = Flag(flag.clone());
            async move {
                let _flag = flag;
                std::future::pending().await
            }
        },
    );
    let started = witness.event("started", None, 0).await;
    first.stop().await;
    let handed_over = witness.event("handed-over", None, 0).await;
    assert_eq!(handed_over.tick, started.tick);
    // And somebody else goes on with it.
    let second = Local::start(
        &store.place().locks(),
        every(500),
        &witness,
        |s| s,
        |_| async { Ok(()) },
    );
    let taken = witness.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
    assert!(taken.fence > started.fence);
    second.stop().await;
}

async fn stuck_work_loses_its_lease_at_max_hold(store: Fixture) {
    let witness = Witness::default();
    let job = every(500).max_hold(Duration::from_secs(2));
    let stuck = Arc::new(AtomicBool::new(true));
    let local = Local::start(
        &store.place().locks(),
        job,
        &witness,
        |s| s,
        move |_| {
            let stuck = stuck.swap(false, Ordering::SeqCst);
            async move {
                if stuck {
                    std::future::pending().await
                } else {
                    Ok(())
                }
            }
        },
    );
    let lost = witness.event("lost:MaxHold", None, 0).await;
    let taken = witness.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (lost.tick, 2));
    local.stop().await;
}

async fn a_clock_that_is_far_ahead_waits_for_the_store(store: Fixture) {
    let witness = Witness::default();
    let ahead = Duration::from_secs(60);
    let fast = move |scheduler: Scheduler| {
        scheduler
            .clock(move || SystemTime::now() + ahead)
            .max_skew(Duration::from_millis(500))
    };
    let local = Local::start(
        &store.place().locks(),
        every(1000),
        &witness,
        fast,
        |run| async move {
            // The store is on this machine: its clock is the system's.
            let due = SystemTime::from(run.tick());
            match due.duration_since(SystemTime::now()) {
                Ok(early) if early > Duration::from_millis(500) => {
                    Err(std::io::Error::other("too early"))
                }
                _ => Ok(()),
            }
        },
    );
    witness.event("clock-ahead", None, 0).await;
    witness
        .until("three ticks have run", |log| {
            (count(log, &["ran"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    let log = witness.log();
    assert_eq!(
        count(&log, &["missed", "failed:too_early:Consumed"]),
        0,
        "{log:#?}"
    );
    assert_no_gap(&by_tick(&log), Duration::from_millis(1000));
}

async fn a_fast_clock_cannot_declare_done_what_is_not_due(store: Fixture) {
    let witness = Witness::default();
    let fast =
        |scheduler: Scheduler| scheduler.clock(|| SystemTime::now() + Duration::from_secs(3));
    let local = Local::start(
        &store.place().locks(),
        every(1000),
        &witness,
        fast,
        |_| async { Ok(()) },
    );
    let first = witness.event("started", None, 0).await;
    // The first tick after the job was first seen, by the store's clock, which is no later than now.
    let now = civic_lock::Tick::from(SystemTime::now()).as_millis();
    assert!(
        first.tick <= now + 1000,
        "{} is {} ms ahead",
        first.tick,
        first.tick - now
    );
    local.stop().await;
}

async fn a_clock_that_is_behind_goes_by_the_stores(store: Fixture) {
    let witness = Witness::default();
    let slow =
        |scheduler: Scheduler| scheduler.clock(|| SystemTime::now() - Duration::from_secs(3600));
    // By its own clock it would come an hour late for each of them.
    let job = every(500).misfire_grace(Duration::from_secs(20));
    let local = Local::start(&store.place().locks(), job, &witness, slow, |_| async {
        Ok(())
    });
    witness
        .until("three ticks have run", |log| {
            (count(log, &["ran"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    assert_eq!(count(&witness.log(), &["missed"]), 0);
    assert_no_gap(&by_tick(&witness.log()), Duration::from_millis(500));
}

async fn work_that_may_run_at_most_once_is_lost_at_shutdown_and_says_so(store: Fixture) {
    let witness = Witness::default();
    let job = || every(500).delivery(Delivery::AtMostOnce);
    let locks = store.place().locks();
    let first = Local::start(&locks, job(), &witness, |s| s, |_| std::future::pending());
    let started = witness.event("started", None, 0).await;
    first.stop().await;
    let lost = witness.event("lost:Released", None, 0).await;
    assert_eq!(lost.tick, started.tick);
    let second = Local::start(&locks, job(), &witness, |s| s, |_| async { Ok(()) });
    let ran = witness.event("ran", None, 0).await;
    assert!(ran.tick > started.tick, "it is not run again");
    second.stop().await;
    assert_eq!(count(&witness.log(), &["handed-over", "took-over"]), 0);
}

async fn dropping_the_scheduler_gives_the_tick_to_somebody_else(store: Fixture) {
    let witness = Witness::default();
    let first = Local::start(
        &store.place().locks(),
        every(500),
        &witness,
        |s| s,
        |_| std::future::pending(),
    );
    let started = witness.event("started", None, 0).await;
    first.task.abort();
    let second = Local::start(
        &store.place().locks(),
        every(500),
        &witness,
        |s| s,
        |_| async { Ok(()) },
    );
    let taken = witness.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
    second.stop().await;
}

#[tokio::test]
async fn two_jobs_of_one_name_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let work = |_: Run| async { Ok::<(), std::io::Error>(()) };
    let scheduler = Scheduler::new(&locks)
        .job(every(200), work)
        .expect("the first");
    assert!(scheduler.job(every(300), work).is_err());
}

#[tokio::test]
async fn a_panic_of_the_clock_is_not_swallowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let scheduler = Scheduler::new(&locks)
        .clock(|| panic!("no clock"))
        .job(every(200), |_| async { Ok::<(), std::io::Error>(()) })
        .expect("a valid job");
    let ended = tokio::spawn(scheduler.run(std::future::pending())).await;
    assert!(ended.expect_err("it cannot go on").is_panic());
}

mod redis_only {
    use civic_testkit::proxy::{Fault, FaultProxy};
    use civic_testkit::redis::RedisServer;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_whose_lease_is_taken_away_is_dropped_and_the_tick_is_run_again() {
        let server = RedisServer::start().await;
        let witness = Witness::default();
        let locks = LockService::redis(server.url()).expect("a service");
        let first = Arc::new(AtomicBool::new(true));
        let local = Local::start(
            &locks,
            every(500),
            &witness,
            |s| s,
            move |_| {
                let first = first.swap(false, Ordering::SeqCst);
                async move {
                    if first {
                        std::future::pending().await
                    } else {
                        Ok(())
                    }
                }
            },
        );
        let started = witness.event("started", None, 0).await;
        server.command(&["DEL", "lock:job"]).await;
        let lost = witness.event("lost:NotOwner", None, 0).await;
        assert_eq!(lost.tick, started.tick);
        let taken = witness.event("took-over", None, 0).await;
        assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
        local.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_runs_while_the_store_is_away_and_each_tick_is_run_or_reported_afterwards() {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        let witness = Witness::default();
        // Also a service that fails open does not run ticks without a lock.
        let locks = LockService::builder()
            .redis_url(proxy.redis_url())
            .command_timeout(Duration::from_millis(300))
            .on_unavailable(civic_lock::OnUnavailable::FailOpen)
            .build()
            .expect("a service");
        let job = every(200).misfire_grace(Duration::from_millis(1200));
        let local = Local::start(
            &locks,
            job,
            &witness,
            |s| s.poll_cap(Duration::from_millis(400)),
            |_| async { Ok(()) },
        );
        witness.event("ran", None, 0).await;
        proxy.set(Fault::BlackHole);
        witness.event("unavailable", None, 0).await;
        let away = witness.len();
        crate::witness::pass(Duration::from_secs(3)).await;
        let meanwhile = &witness.log()[away..];
        assert_eq!(count(meanwhile, &["started"]), 0);
        assert_eq!(
            count(meanwhile, &["unavailable"]),
            0,
            "an outage is reported once"
        );
        proxy.set(Fault::Pass);
        witness.event("ran", None, away).await;
        local.stop().await;
        let ticks = by_tick(&witness.log());
        assert_no_gap(&ticks, Duration::from_millis(200));
        let missed: usize = ticks
            .values()
            .map(|records| count(records, &["missed"]))
            .sum();
        assert!(
            missed > 0,
            "three seconds are more than the grace: {ticks:#?}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_replica_does_not_run_again_what_it_knows_to_be_done_when_the_store_forgets() {
        let server = RedisServer::start().await;
        let witness = Witness::default();
        let locks = LockService::redis(server.url()).expect("a service");
        let local = Local::start(&locks, every(200), &witness, |s| s, |_| async { Ok(()) });
        let mut seen = 0;
        for _ in 0..3 {
            witness.event("ran", None, seen).await;
            seen = witness.len();
            server.command(&["FLUSHALL"]).await;
        }
        witness.event("ran", None, seen).await;
        local.stop().await;
        let ticks = by_tick(&witness.log());
        assert_no_gap(&ticks, Duration::from_millis(200));
        for records in ticks.values() {
            assert!(count(records, &["ran", "took-over"]) <= 1, "{records:#?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_claim_whose_reply_is_lost_loses_no_tick_and_runs_none_twice() {
        for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
            let server = RedisServer::start().await;
            let proxy = FaultProxy::start(server.addr()).await;
            let witness = Witness::default();
            let locks = LockService::builder()
                .redis_url(proxy.redis_url())
                .command_timeout(Duration::from_millis(300))
                .build()
                .expect("a service");
            let job = every(400).delivery(delivery);
            let local = Local::start(
                &locks,
                job,
                &witness,
                |s| s.poll_cap(Duration::from_millis(400)),
                |_| async { Ok(()) },
            );
            witness.event("ran", None, 0).await;
            for _ in 0..3 {
                let before = witness.len();
                // The store claims the tick, and its answer never arrives.
                proxy.set(Fault::DropReply);
                witness.event("unavailable", None, before).await;
                proxy.set(Fault::Pass);
                witness.event("ran", None, before).await;
            }
            local.stop().await;
            let log = witness.log();
            let ticks = by_tick(&log);
            assert_no_gap(&ticks, Duration::from_millis(400));
            assert_eq!(
                count(&log, &["missed", "skipped"]),
                0,
                "{delivery:?}: {log:#?}"
            );
            for records in ticks.values() {
                assert!(
                    count(records, &["started"]) <= 1,
                    "{delivery:?}: {records:#?}"
                );
            }
            assert!(proxy.injected().replies_lost > 0);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_tick_whose_record_was_not_confirmed_is_not_run_again_if_it_was_recorded() {
        let server = RedisServer::start().await;
        let proxy = Arc::new(FaultProxy::start(server.addr()).await);
        let witness = Witness::default();
        let locks = LockService::builder()
            .redis_url(proxy.redis_url())
            .command_timeout(Duration::from_millis(300))
            .build()
            .expect("a service");
        let cut = Arc::new(AtomicBool::new(true));
        let in_work = proxy.clone();
        let local = Local::start(
            &locks,
            every(1000).ttl(Duration::from_secs(5)),
            &witness,
            |s| s,
            move |_| {
                if cut.swap(false, Ordering::SeqCst) {
                    // What is sent from here on is carried out, and nobody is told.
                    in_work.set(Fault::DropReply);
                }
                async { Ok(()) }
            },
        );
        let unrecorded = witness.event("unrecorded", None, 0).await;
        proxy.set(Fault::Pass);
        let ran = witness.event("ran", None, 0).await;
        assert_eq!((ran.tick, ran.attempt), (unrecorded.tick, 1));
        witness
            .until("the next tick has run", |log| {
                log.iter()
                    .find(|r| r.event == "ran" && r.tick > ran.tick)
                    .cloned()
            })
            .await;
        local.stop().await;
        let ticks = by_tick(&witness.log());
        assert_eq!(count(&ticks[&ran.tick], &["started"]), 1);
    }
}
