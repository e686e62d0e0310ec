//! What is remembered of a run of a job.

use crate::scheduler::Tick;
use crate::store::history::RunRecord;

/// What is remembered of one run of a job, or of a range of its ticks that were missed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JobRun {
    /// The scheduled instant; the first one of a range.
    pub tick: Tick,
    /// The last instant of a range. `None` for one tick.
    pub until: Option<Tick>,
    /// How many ticks a range has. `None` for one tick.
    pub count: Option<u64>,
    /// Which attempt at the tick it was. 0 if it was not begun.
    pub attempt: u32,
    /// The fencing token of the run. 0 if it was not begun.
    pub fence: u64,
    /// The holder that has run it, or the replica that has noticed that none did.
    pub by: String,
    /// When the work began, by the clock of the replica.
    pub started: Tick,
    /// When the work ended, by the clock of the replica.
    pub ended: Tick,
    /// The name of the event that it ended with, for example `ran`, `failed` or `missed`.
    pub outcome: String,
}

impl From<RunRecord> for JobRun {
    fn from(run: RunRecord) -> Self {
        Self {
            tick: Tick::from_millis(run.tick),
            until: run.until.map(Tick::from_millis),
            count: run.count,
            attempt: run.attempt,
            fence: run.fence,
            by: run.by,
            started: Tick::from_millis(run.started),
            ended: Tick::from_millis(run.ended),
            outcome: run.outcome,
        }
    }
}
