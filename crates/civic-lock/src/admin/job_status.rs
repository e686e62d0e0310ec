//! A scheduled job as an operator sees it.

use crate::admin::lock_status::LockStatus;
use crate::name::LockName;
use crate::scheduler::Tick;
use crate::store::answer::Peeked;
use crate::store::sighting::Sighting;

/// A scheduled job as it was a moment ago.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JobStatus {
    /// Its lock, which is held while a tick runs, and for the rest of a minimum hold.
    pub lock: LockStatus,
    /// The watermark: this tick and all before it are done.
    pub done: Tick,
    /// The tick that runs, or whose holder died.
    pub claimed: Option<Tick>,
    /// How often that tick was claimed.
    pub attempt: u32,
    /// The holder that has claimed it.
    pub claimant: Option<String>,
    /// How often an operator has set the watermark.
    pub generation: u64,
    /// Since when the job is paused.
    pub paused: Option<Tick>,
    /// The instant of a run that an operator has asked for and that is not done.
    pub due: Option<Tick>,
    /// The schedules that replicas were seen with. More than one while a deployment rolls.
    pub schedules: Vec<JobSchedule>,
}

/// A schedule of a job, and when replicas were seen with it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JobSchedule {
    /// The expression and the time zone.
    pub schedule: String,
    /// The first sight. Only later ticks are claimed by this schedule.
    pub first: Tick,
    /// The last sight.
    pub last: Tick,
}

/// What became of a request to run a job now.
///
/// Exhaustive on purpose: a job has one such request at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RunRequest {
    /// One replica will run the job for this instant.
    Due(Tick),
    /// A run was asked for before and is not done. This request adds none.
    AlreadyDue(Tick),
}

// ===== impl JobStatus =====

impl JobStatus {
    /// A name without a watermark is that of a lock and not of a job.
    pub(super) fn new(name: LockName, peeked: &Peeked) -> Option<Self> {
        Some(Self {
            done: Tick::from_millis(peeked.done?),
            claimed: peeked.claimed.map(Tick::from_millis),
            attempt: peeked.attempt,
            claimant: peeked.claimant.clone(),
            generation: peeked.generation,
            paused: peeked.paused.map(Tick::from_millis),
            due: peeked.due.map(|due| Tick::from_millis(due.tick)),
            schedules: peeked.schedules.iter().map(JobSchedule::new).collect(),
            lock: LockStatus::new(name, peeked),
        })
    }
}

// ===== impl JobSchedule =====

impl JobSchedule {
    fn new(seen: &Sighting) -> Self {
        Self {
            schedule: seen.fingerprint.as_str().to_owned(),
            first: Tick::from_millis(seen.first),
            last: Tick::from_millis(seen.last),
        }
    }
}
