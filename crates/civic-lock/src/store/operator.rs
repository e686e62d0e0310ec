//! What an operator asks of one lock or job, and what the store answers.
//!
//! Each is a [`Command`] like those of a replica, and runs the same way.

use crate::store::command::Command;
use crate::store::history::RunRecord;

/// Deletes the key of the holder that was seen, and of no other. The fence goes on, so that a
/// resource that checks it refuses what the holder still sends.
#[derive(Clone, Debug)]
pub(crate) struct Break {
    pub(crate) holder: String,
}

/// Reads the last runs, the latest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    /// How many, at least 1.
    pub(crate) limit: usize,
}

/// Pauses the job: no tick is claimed until it is resumed. A run that has begun goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause;

/// Sets the watermark, and tells the replicas by a new generation that they must believe it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) done: u64,
}

/// Resumes a paused job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resume;

/// Asks for one run beside the schedule. It does not move the watermark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunNow {
    /// Its instant, in milliseconds since the epoch. `None` for now.
    pub(crate) tick: Option<u64>,
}

/// The answer to [`Break`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Broken {
    /// The key is gone, and no holder up to this fence is the last one.
    Broken { fence: u64 },
    /// The key has another holder, or none. It was not touched.
    Changed { holder: Option<String> },
}

/// The answer to [`Pause`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Paused {
    /// Paused since then, in milliseconds since the epoch; perhaps for a while already.
    Since(u64),
    /// There is no such job.
    Unregistered,
}

/// The answer to [`Resume`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Resumed {
    /// It was paused since then, in milliseconds since the epoch.
    Since(u64),
    /// It was not paused.
    NotPaused,
    /// There is no such job.
    Unregistered,
}

/// The answer to [`Reset`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WatermarkReset {
    /// The watermark is set.
    Reset { generation: u64, before: u64 },
    /// There is no such job.
    Unregistered,
}

/// The answer to [`RunNow`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Requested {
    /// One replica will claim the run of this instant.
    Due(u64),
    /// A run was asked for before, and has not been done.
    AlreadyDue(u64),
    /// There is no such job.
    Unregistered,
}

impl Command for Break {
    type Answer = Broken;
}

impl Command for History {
    type Answer = Vec<RunRecord>;
}

impl Command for Pause {
    type Answer = Paused;
}

impl Command for Reset {
    type Answer = WatermarkReset;
}

impl Command for Resume {
    type Answer = Resumed;
}

impl Command for RunNow {
    type Answer = Requested;
}
