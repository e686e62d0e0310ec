//! A scheduler in this process.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use civic_lock::{Coalesce, Event, Job, LockService, Run, Scheduler, Tick};
use tokio::sync::oneshot;

use crate::support::event_log::EventLog;
use crate::support::replica::JOB;

/// A scheduler in this process; stopped when told to, and then it hands over at once.
pub(crate) struct Local {
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Local {
    pub(crate) fn start<F>(
        locks: &LockService,
        job: Job,
        events: &EventLog,
        settings: impl FnOnce(Scheduler) -> Scheduler,
        work: impl Fn(Run) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), std::io::Error>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let seen = events.clone();
        let scheduler = Scheduler::new(locks)
            .on_event(move |_, event| tell(&seen, event))
            .shutdown_bound(Duration::ZERO);
        let scheduler = settings(scheduler).job(job, work).expect("a valid job");
        let task = tokio::spawn(scheduler.run(async {
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("running");
        self.task.await.expect("no panic");
    }
}

pub(crate) fn tell(events: &EventLog, event: &Event) {
    let name = match event {
        Event::Failed { error, then, .. } => format!("failed:{}:{then:?}", error.replace(' ', "_")),
        Event::Lost { reason, .. } => format!("lost:{reason:?}"),
        _ => event.name().to_owned(),
    };
    for record in records(event) {
        events.record("here", &format!("{name} {record}"), Instant::now());
    }
}

/// Returns the numbers of an event's record: one record per tick, even for a range of them.
pub(crate) fn records(event: &Event) -> Vec<String> {
    let (fence, attempt) = event
        .attempt()
        .map_or((0, 0), |attempt| (attempt.fence, attempt.number));
    let tick = event.tick().map_or(0, Tick::as_millis);
    let ticks = match event {
        Event::Missed { until, count, .. } => {
            // The schedules of these tests are intervals.
            let steps = (count - 1).max(1);
            let interval = (until.as_millis() - tick) / steps;
            (0..*count).map(|n| tick + n * interval).collect()
        }
        _ => vec![tick],
    };
    let record = |tick| format!("{tick} {fence} {attempt}");
    ticks.into_iter().map(record).collect()
}

/// A job whose lease lasts the default 30 s: a stall of the machine does not lose it. A holder that
/// ends releases it.
pub(crate) fn every(millis: u64) -> Job {
    Job::every(JOB, Duration::from_millis(millis))
        .expect("a job")
        .coalesce(Coalesce::Every)
        .misfire_grace(Duration::from_secs(60))
}

/// Work that hangs the first time, and ends at once every other time.
pub(crate) fn hangs_once()
-> impl Fn(Run) -> Pin<Box<dyn Future<Output = Result<(), std::io::Error>> + Send>> + Send + Sync {
    let hangs = AtomicBool::new(true);
    move |_| {
        if hangs.swap(false, Ordering::SeqCst) {
            Box::pin(std::future::pending())
        } else {
            Box::pin(std::future::ready(Ok(())))
        }
    }
}
