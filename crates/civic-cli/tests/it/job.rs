//! `civic job`, `civic lock ls`, `who` and `break`, as an operator uses them, on both stores.

use std::time::Duration;

use civic_lock::{Acquisition, Coalesce, Job, Scheduler};
use serde_json::Value;

use crate::support::store::{Answer, Store};

/// A replica of a job, as long as the value lives.
struct Replica(tokio::task::JoinHandle<()>);

impl Replica {
    fn start(store: &Store, name: &str, interval: Duration) -> Self {
        let job = Job::every(name, interval).expect("a job");
        let scheduler = Scheduler::new(&store.locks())
            .poll_cap(Duration::from_millis(100))
            .job(job.coalesce(Coalesce::Every), |_| async {
                Ok::<(), std::io::Error>(())
            })
            .expect("a scheduler");
        Self(tokio::spawn(scheduler.run(std::future::pending())))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const NEVER: Duration = Duration::from_secs(100 * 86_400);

#[tokio::test]
async fn job_ls_shows_each_job_and_what_is_next() {
    for store in Store::both().await {
        let _a = Replica::start(&store, "nightly", NEVER);
        let _b = Replica::start(&store, "often", Duration::from_millis(300));
        let seen = store
            .until(&["job", "ls"], |answer| {
                answer.lines.len() == 2 && answer.lines.iter().all(|job| !job["next"].is_null())
            })
            .await;
        let names: Vec<_> = seen.lines.iter().map(|job| &job["name"]).collect();
        assert_eq!(names, ["nightly", "often"]);
        assert_eq!(seen.lines[0]["schedule"], "@every 8640000000ms");
        assert_eq!(seen.lines[0]["paused"], Value::Null);

        let next = store.civic(&["job", "next", "nightly", "3"]).await;
        let ticks: Vec<_> = next
            .lines
            .iter()
            .filter_map(|line| line["tick"].as_u64())
            .collect();
        assert_eq!(ticks.len(), 3);
        assert_eq!(ticks[1] - ticks[0], 8_640_000_000);
        assert_eq!(next.lines[0]["overdue"], false);
    }
}

#[tokio::test]
async fn job_run_runs_a_job_once_and_history_shows_it() {
    for store in Store::both().await {
        let _replica = Replica::start(&store, "nightly", NEVER);
        let known = |answer: &Answer| answer.code == Some(0);
        let asked = store.until(&["job", "run", "nightly"], known).await;
        assert_eq!(asked.lines[0]["event"], "requested");
        let tick = asked.lines[0]["tick"].clone();
        let history = store
            .until(&["job", "history", "nightly"], |answer| {
                !answer.lines.is_empty()
            })
            .await;
        assert_eq!(history.lines.len(), 1);
        assert_eq!(history.lines[0]["tick"], tick);
        assert_eq!(history.lines[0]["outcome"], "ran");
        assert_eq!(history.lines[0]["attempt"], 1);

        let missed = "2026-01-01T02:00:00Z";
        let again = store
            .civic(&["job", "run", "nightly", "--tick", missed])
            .await;
        assert_eq!(again.lines[0]["tick"], 1_767_232_800_000_u64);
        store
            .until(&["job", "history", "nightly"], |answer| {
                answer.lines.len() == 2
            })
            .await;
    }
}

#[tokio::test]
async fn job_pause_and_resume_say_since_when() {
    for store in Store::both().await {
        let _replica = Replica::start(&store, "often", Duration::from_millis(300));
        let known = |answer: &Answer| answer.code == Some(0);
        let paused = store.until(&["job", "pause", "often"], known).await;
        let since = paused.lines[0]["since"].clone();
        assert!(since.as_u64() > Some(0));
        let seen = store.civic(&["job", "ls"]).await;
        assert_eq!(seen.lines[0]["paused"], since);
        let resumed = store.civic(&["job", "resume", "often"]).await;
        assert_eq!(
            (resumed.code, &resumed.lines[0]["event"]),
            (Some(0), &"resumed".into())
        );
        assert_eq!(resumed.lines[0]["since"], since);
        let again = store.civic(&["job", "resume", "often"]).await;
        assert_eq!(
            (again.code, &again.lines[0]["event"]),
            (Some(1), &"not-paused".into())
        );
    }
}

#[tokio::test]
async fn job_reset_sets_the_watermark_and_replicas_obey() {
    for store in Store::both().await {
        let _replica = Replica::start(&store, "often", Duration::from_millis(300));
        let known = |answer: &Answer| answer.code == Some(0);
        let ahead = "2100-01-01T00:00:00Z";
        let reset = ["job", "reset", "often", "--to", ahead];
        store.until(&reset, known).await;
        let silent = store.civic(&["job", "ls"]).await;
        assert_eq!(silent.lines[0]["done"], 4_102_444_800_000_u64);
        let back = store.civic(&["job", "reset", "often"]).await;
        assert_eq!(back.lines[0]["before"], 4_102_444_800_000_u64);
        let done = back.lines[0]["tick"].as_u64().expect("now");
        store
            .until(&["job", "ls"], |answer| {
                answer.lines[0]["done"].as_u64() > Some(done)
            })
            .await;
    }
}

#[tokio::test]
async fn a_job_that_no_replica_has_registered_is_exit_code_1_and_words_on_stderr() {
    for store in Store::both().await {
        for command in ["next", "run", "pause", "resume", "history", "reset"] {
            let answer = store.civic(&["job", command, "unknown"]).await;
            assert_eq!(answer.code, Some(1), "{command}");
            assert!(answer.lines.is_empty(), "{command}");
            assert!(
                answer.stderr.contains("unknown"),
                "{command}: {}",
                answer.stderr
            );
        }
    }
}

#[tokio::test]
async fn lock_ls_and_who_show_the_holder_and_break_hits_only_the_holder_that_was_seen() {
    for store in Store::both().await {
        let locks = store.locks();
        let ttl = Duration::from_secs(30);
        let Acquisition::Acquired(guard) = locks.try_acquire("month-end", ttl).await else {
            panic!("not acquired")
        };
        let holder = guard.lease().holder().to_owned();
        let listed = store.civic(&["lock", "ls"]).await;
        assert_eq!(listed.lines.len(), 1);
        assert_eq!(listed.lines[0]["name"], "month-end");
        assert_eq!(listed.lines[0]["holder"], holder.as_str());
        assert!(listed.lines[0]["ttlMs"].as_u64() <= Some(30_000));
        assert_eq!(listed.lines[0]["fence"], guard.lease().fence());
        let who = store.civic(&["lock", "who", "month-end"]).await;
        assert_eq!(
            (who.code, &who.lines[0]["holder"]),
            (Some(0), &listed.lines[0]["holder"])
        );

        let wrong = store
            .civic(&["lock", "break", "month-end", "--holder", "someone:1:2:3"])
            .await;
        assert_eq!(wrong.code, Some(1));
        assert_eq!(wrong.lines[0]["event"], "other-holder");
        assert_eq!(wrong.lines[0]["holder"], holder.as_str());
        guard.lease().check().expect("it was not touched");

        let broken = store
            .civic(&["lock", "break", "month-end", "--holder", &holder])
            .await;
        assert_eq!(
            (broken.code, &broken.lines[0]["event"]),
            (Some(0), &"broken".into())
        );
        assert!(broken.lines[0]["fence"].as_u64() > Some(guard.lease().fence()));
        let free = store.civic(&["lock", "who", "month-end"]).await;
        assert_eq!(
            (free.code, &free.lines[0]["holder"]),
            (Some(1), &Value::Null)
        );
        let again = store
            .civic(&["lock", "break", "month-end", "--holder", &holder])
            .await;
        assert_eq!(
            (again.code, &again.lines[0]["event"]),
            (Some(1), &"free".into())
        );
    }
}
