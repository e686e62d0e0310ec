//! What the replicas of a test have said, and what must be true of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use civic_lock::Tick;
use tokio::sync::Notify;

/// Nothing that a test waits for takes this long.
const TIMEOUT: Duration = Duration::from_secs(150);

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) replica: String,
    pub(crate) event: String,
    pub(crate) tick: u64,
    pub(crate) fence: u64,
    pub(crate) attempt: u32,
    /// When this process read it.
    pub(crate) at: Instant,
}

/// Collects the records of all replicas of a test. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct EventLog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: Mutex<Vec<Record>>,
    recorded: Notify,
}

impl EventLog {
    pub(crate) fn record(&self, replica: &str, record: &str, at: Instant) {
        let mut words = record.split(' ');
        let event = words.next().unwrap_or_default().to_owned();
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or_default()
        };
        let (tick, fence, attempt) = (
            number(),
            number(),
            u32::try_from(number()).unwrap_or_default(),
        );
        let record = Record {
            replica: replica.to_owned(),
            event,
            tick,
            fence,
            attempt,
            at,
        };
        self.0.log.lock().expect("no panic").push(record);
        self.0.recorded.notify_waiters();
    }

    pub(crate) fn log(&self) -> Vec<Record> {
        self.0.log.lock().expect("no panic").clone()
    }

    /// Waits until the log shows what is looked for.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&[Record]) -> Option<T>) -> T {
        let looking = async {
            loop {
                let recorded = self.0.recorded.notified();
                tokio::pin!(recorded);
                recorded.as_mut().enable();
                if let Some(found) = look(&self.log()) {
                    return found;
                }
                recorded.await;
            }
        };
        match tokio::time::timeout(TIMEOUT, looking).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain until {what}; seen: {:#?}", self.log()),
        }
    }

    /// Waits for an event after the first `after` records, on a certain replica if one is named.
    pub(crate) async fn event(&self, event: &str, replica: Option<&str>, after: usize) -> Record {
        self.until(&format!("{event} on {replica:?}"), |log| {
            log.iter()
                .skip(after)
                .find(|record| {
                    record.event == event && replica.is_none_or(|name| record.replica == name)
                })
                .cloned()
        })
        .await
    }

    pub(crate) fn len(&self) -> usize {
        self.0.log.lock().expect("no panic").len()
    }
}

/// Lets time pass. Only where that is the fault that is injected: a grace that ends, a replica that
/// is not there. Whatever can be waited for is waited for.
pub(crate) async fn elapse(time: Duration) {
    tokio::time::sleep(time).await;
}

/// More than a minute, and yet a multiple of it is due soon, when a replica that is started now has
/// registered its job even on a busy machine.
pub(crate) fn interval_that_is_due_soon() -> Duration {
    let now = Tick::from(SystemTime::now()).as_millis();
    let due_in = |interval: &u64| interval - now % interval;
    let interval = (60_000..120_000).find(|interval| (6000..7000).contains(&due_in(interval)));
    Duration::from_millis(interval.expect("each of them leaves another rest"))
}

/// Everything that was said about each tick, oldest tick first.
pub(crate) fn by_tick(log: &[Record]) -> BTreeMap<u64, Vec<Record>> {
    let mut ticks: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    for record in log.iter().filter(|record| record.tick > 0) {
        ticks.entry(record.tick).or_default().push(record.clone());
    }
    ticks
}

pub(crate) fn count(records: &[Record], events: &[&str]) -> usize {
    records
        .iter()
        .filter(|record| events.contains(&record.event.as_str()))
        .count()
}

/// The ticks that have begun must be all of them: none left out between the first and the last.
pub(crate) fn assert_no_gap(ticks: &BTreeMap<u64, Vec<Record>>, interval: Duration) {
    let interval = u64::try_from(interval.as_millis()).expect("short");
    let begun: Vec<u64> = ticks
        .iter()
        .filter(|(_, records)| count(records, &["started", "missed"]) > 0)
        .map(|(tick, _)| *tick)
        .collect();
    for pair in begun.windows(2) {
        assert_eq!(
            pair[0] + interval,
            pair[1],
            "no tick was begun or missed between these"
        );
    }
}

/// Attempts at one tick have strictly larger fences and attempt numbers.
pub(crate) fn assert_fences_rise(ticks: &BTreeMap<u64, Vec<Record>>) {
    for (tick, records) in ticks {
        let mut attempts: Vec<(u32, u64)> = records
            .iter()
            .filter(|record| record.event == "started")
            .map(|record| (record.attempt, record.fence))
            .collect();
        attempts.sort_unstable();
        for pair in attempts.windows(2) {
            assert!(
                pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1,
                "tick {tick}: {attempts:?}"
            );
        }
    }
}
