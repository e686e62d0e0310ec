//! The history of a run, in order: the only thing that the checker reads.
//!
//! Every record has an instant of CLOCK_MONOTONIC, which all processes of one machine share. The
//! events of a replica have the replica's instant, the writes of the server the server's.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::topology::Topology;

/// One millisecond: instants and durations are in nanoseconds, instants by CLOCK_MONOTONIC.
pub(crate) const MILLI: u64 = 1_000_000;
/// One second in nanoseconds.
pub(crate) const SECOND: u64 = 1000 * MILLI;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    tag = "what",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum What {
    /// CLOCK_REALTIME − CLOCK_MONOTONIC. This is the first record.
    Clock { wall_offset: u64 },
    /// Replicas that share one lock. These are the next records.
    Group(Group),
    /// A replica was started. A life ends with its process; the next one has a new number.
    Start {
        life: u32,
        replica: String,
        group: usize,
        pid: u32,
        skew_ms: i64,
        /// The deployment that it belongs to, and the interval of its schedule.
        deployment: u32,
        interval_ms: u64,
        #[serde(default)]
        version: Version,
    },
    /// The driver sent a signal.
    Signal { life: u32, signal: Signal },
    /// What the process has logged, once it is gone: about replicas with another schedule, and
    /// about its server.
    Logged {
        life: u32,
        other_schedules: u64,
        /// The warnings that locks are not safe on the server.
        #[serde(default)]
        unsafe_servers: u64,
    },
    /// The process is gone. If `forced`, it did not stop when told to, and was killed.
    Exit { life: u32, forced: bool },
    /// A replica of a scheduler reports an event.
    Tick {
        life: u32,
        event: TickEvent,
        tick: u64,
        fence: u64,
        attempt: u32,
    },
    /// A replica of the hammer has the lock, or is about to give it back.
    Hold { life: u32, edge: Edge, fence: u64 },
    /// A call of acquire has returned to a replica of the hammer, after so many milliseconds.
    Acquire {
        life: u32,
        outcome: Acquire,
        took_ms: u64,
    },
    /// What all callers of a crowd were answered in the last second.
    Crowd {
        life: u32,
        answered: u64,
        unavailable: u64,
        memory_kb: u64,
    },
    /// A leader has tried to write to the resource of its election.
    Written {
        life: u32,
        fence: u64,
        /// What it believed to be.
        is_leader: bool,
        /// Whether no larger fence had been let in before.
        is_accepted: bool,
    },
    /// The lease was lost, and its holder has been told.
    Told { life: u32, fence: u64 },
    /// A fault begins to be injected, or has been taken back.
    Fault {
        number: usize,
        fault: Fault,
        phase: Phase,
        /// The replica that it hits, or none if it hits all of them.
        life: Option<u32>,
        group: Option<usize>,
    },
    /// The server stops answering, or answers again.
    Server {
        state: ServerState,
        /// The groups whose keys are on the server, or none if all of them are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        groups: Option<Vec<usize>>,
    },
    /// The server has executed a write: inside of a script, or sent by a peer.
    Write {
        db: u8,
        /// The command and its arguments.
        words: Vec<String>,
        /// The arguments of the script that it is part of, or none if a client sent it alone.
        script: Option<Vec<String>>,
    },
    /// The driver acquired the lock as a Node peer does, or released it.
    Foreign {
        group: usize,
        value: String,
        step: ForeignStep,
    },
    /// An operator has asked since `from`, and this is what was listed. `None` if the store did not
    /// answer.
    Operator {
        group: usize,
        from: u64,
        asked: Asked,
        seen: Option<Vec<Seen>>,
    },
    /// Nothing ran on this machine, not even the driver.
    Stall { from: u64 },
    /// A server did not answer the driver for so long.
    Slow { from: u64 },
    /// The resources that a replica uses when the faults are over.
    Resources {
        life: u32,
        files_at_start: u64,
        files_at_end: u64,
    },
    /// A key of a lock that still exists after all replicas have stopped, one ttl and a while
    /// later. `pttl` is -1 when it will stay for ever.
    Left { db: u8, key: String, pttl: i64 },
    /// The faults are over, and all replicas were told to stop.
    End,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) group: usize,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) backend: Backend,
    /// The database on the server.
    pub(crate) db: u8,
    /// The name of the lock, once it is known.
    pub(crate) lock: String,
    pub(crate) replicas: usize,
    pub(crate) ttl_ms: u64,
    /// How long the work takes at least.
    pub(crate) job_ms: u64,
    /// The interval between two ticks.
    pub(crate) interval_ms: u64,
    pub(crate) grace_ms: u64,
    /// How often a tick is begun at most, if its holders die.
    pub(crate) max_attempts: u32,
    pub(crate) command_timeout_ms: u64,
    pub(crate) poll_cap_ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    AtLeastOnce,
    AtMostOnce,
    /// Candidates of one election.
    Candidate,
    /// At least once, with a schedule that changes from deployment to deployment.
    Deployed,
    Hammer,
    /// Many callers in one process.
    Crowd,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    Redis,
    Sentinel,
    Cluster,
    /// A redis-server of its own, whose wall clock is set wrong and right again.
    Stepped,
    Host,
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    Locks,
    Jobs,
}

/// A lock or a job, as it is listed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) is_held: bool,
    pub(crate) fence: Option<u64>,
    /// The watermark of a job.
    pub(crate) done: Option<u64>,
}

/// A version of the programs under test.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Version {
    #[default]
    This,
    /// The one that an upgrade begins with.
    Last,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signal {
    Kill,
    Term,
    Stop,
    Cont,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TickEvent {
    Started,
    Ran,
    TookOver,
    Skipped,
    Missed,
    DeadLetter,
    RanByPeer,
    Lost,
    Failed,
    HandedOver,
    Unrecorded,
    Unavailable,
    ClockAhead,
    ClockSuspect,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Edge {
    Enter,
    Leave,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Acquire {
    Acquired,
    Busy,
    Unavailable,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Begin,
    End,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerState {
    /// The server was stopped or killed, and keeps its data.
    Away,
    /// The server was killed, and its data deleted; or it evicts keys from here on.
    Lost,
    /// The server takes no more writes, and is replaced by another one, which may not have had its
    /// last ones.
    Replaced,
    /// The server that was replaced goes on, and what is written to it will be undone.
    Stale,
    Back,
    /// Every write is recorded from here on.
    Watched,
    /// Writes are no longer recorded.
    Unwatched,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForeignStep {
    /// The server has confirmed that the peer has the key.
    Taken,
    /// The peer is about to release it.
    Returning,
    /// The key existed until the peer deleted it.
    Returned,
    /// The key was gone, or had another value or another ttl, before the peer's own ttl had passed.
    Damaged,
}

// ===== impl Version =====

impl Version {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::This => Self::Last,
            Self::Last => Self::This,
        }
    }
}

// ===== impl What =====

impl What {
    /// Returns the record of a state that all servers have come to.
    pub(crate) const fn server(state: ServerState) -> Self {
        Self::Server {
            state,
            groups: None,
        }
    }
}

// ===== impl Backend =====

impl Backend {
    /// Returns the store that servers in this arrangement are.
    pub(crate) const fn of(topology: Topology) -> Self {
        match topology {
            Topology::Single => Self::Redis,
            Topology::Sentinel => Self::Sentinel,
            Topology::Cluster => Self::Cluster,
        }
    }

    /// Returns whether the store is what most faults of a server are meant for.
    pub(crate) const fn is_main(self) -> bool {
        matches!(self, Self::Redis | Self::Sentinel | Self::Cluster)
    }
}

pub(crate) fn monotonic() -> u64 {
    nanos(ClockId::Monotonic)
}

/// CLOCK_REALTIME − CLOCK_MONOTONIC: the difference between the server's instants and those of the
/// history.
pub(crate) fn wall_clock_offset() -> u64 {
    let before = monotonic();
    let wall = nanos(ClockId::Realtime);
    let after = monotonic();
    wall - (before + after) / 2
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let part = |part: i64| u64::try_from(part).unwrap_or_default();
    part(now.tv_sec) * SECOND + part(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_readable_line_that_reads_back() {
        let records = [
            Record {
                at: 5,
                what: What::Tick {
                    life: 3,
                    event: TickEvent::TookOver,
                    tick: 1_772_000_000_000,
                    fence: 1_772_000_000_123_456,
                    attempt: 2,
                },
            },
            Record {
                at: 6,
                what: What::Fault {
                    number: 1,
                    fault: Fault::DropReply,
                    phase: Phase::Begin,
                    life: Some(3),
                    group: None,
                },
            },
            Record {
                at: 7,
                what: What::End,
            },
        ];
        let lines = records
            .iter()
            .map(|record| serde_json::to_string(record).expect("records are plain data"))
            .collect::<Vec<_>>();
        assert_eq!(
            lines[0],
            r#"{"at":5,"what":"tick","life":3,"event":"took-over","tick":1772000000000,"fence":1772000000123456,"attempt":2}"#
        );
        for (line, record) in lines.iter().zip(&records) {
            assert_eq!(
                serde_json::from_str::<Record>(line).expect("it was written"),
                *record
            );
        }
    }
}
