//! The faults: what is done to the replicas, to the server, and to the connections between them.

use serde::{Deserialize, Serialize};

use crate::topology::Topology;

/// A kind of fault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    Kill,
    Terminate,
    PauseShort,
    PauseLong,
    FreezeShort,
    FreezeLong,
    CrashKeep,
    CrashEmpty,
    FlushScripts,
    PauseClients,
    CutClients,
    OutOfMemory,
    Evict,
    ReadOnly,
    Delay,
    BlackHole,
    Reset,
    HalfOpen,
    DropReply,
    SkipReply,
    Foreign,
    ForgetFence,
    ForgetTicks,
    CrashLoop,
    StepForward,
    StepBack,
    Failover,
    FailoverFrozen,
    Reshard,
    Deploy,
    TwoSchedules,
    Upgrade,
}

/// What a fault hits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    /// The fault hits one replica, which is a process.
    Replica,
    /// The fault hits the server, and through it all replicas on Redis.
    Server,
    /// The fault hits the connections of one replica.
    Link,
    /// The fault hits the keys of one lock: a Node peer holds it, or an operator deletes some.
    Key,
    /// The fault is in the work of one job: it ends every replica that does it.
    Work,
    /// The fault is a deployment: replicas come back with another schedule.
    Deployment,
    /// The fault is an upgrade: replicas come back with another version of the programs.
    Version,
    /// The fault hits the wall clock of a server that has one of its own.
    Clock,
}

impl Fault {
    pub(crate) const ALL: [Self; 32] = [
        Self::Kill,
        Self::Terminate,
        Self::PauseShort,
        Self::PauseLong,
        Self::FreezeShort,
        Self::FreezeLong,
        Self::CrashKeep,
        Self::CrashEmpty,
        Self::FlushScripts,
        Self::PauseClients,
        Self::CutClients,
        Self::OutOfMemory,
        Self::Evict,
        Self::ReadOnly,
        Self::Delay,
        Self::BlackHole,
        Self::Reset,
        Self::HalfOpen,
        Self::DropReply,
        Self::SkipReply,
        Self::Foreign,
        Self::ForgetFence,
        Self::ForgetTicks,
        Self::CrashLoop,
        Self::StepForward,
        Self::StepBack,
        Self::Failover,
        Self::FailoverFrozen,
        Self::Reshard,
        Self::Deploy,
        Self::TwoSchedules,
        Self::Upgrade,
    ];

    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Kill | Self::Terminate | Self::PauseShort | Self::PauseLong => Class::Replica,
            Self::FreezeShort
            | Self::FreezeLong
            | Self::CrashKeep
            | Self::CrashEmpty
            | Self::FlushScripts
            | Self::PauseClients
            | Self::CutClients
            | Self::OutOfMemory
            | Self::Evict
            | Self::ReadOnly
            | Self::Failover
            | Self::FailoverFrozen
            | Self::Reshard => Class::Server,
            Self::Delay
            | Self::BlackHole
            | Self::Reset
            | Self::HalfOpen
            | Self::DropReply
            | Self::SkipReply => Class::Link,
            Self::Foreign | Self::ForgetFence | Self::ForgetTicks => Class::Key,
            Self::CrashLoop => Class::Work,
            Self::Deploy | Self::TwoSchedules => Class::Deployment,
            Self::Upgrade => Class::Version,
            Self::StepForward | Self::StepBack => Class::Clock,
        }
    }

    /// Returns whether servers in this arrangement can have the fault.
    pub(crate) const fn is_possible(self, topology: Topology) -> bool {
        match self {
            // Sentinels would make more of it.
            Self::FreezeShort | Self::FreezeLong | Self::CrashKeep | Self::CrashEmpty => {
                !matches!(topology, Topology::Sentinel)
            }
            Self::ReadOnly => matches!(topology, Topology::Single),
            Self::Failover | Self::FailoverFrozen => matches!(topology, Topology::Sentinel),
            Self::Reshard => matches!(topology, Topology::Cluster),
            // A server that tells its clients where to go leads them around any proxy.
            _ => matches!(topology, Topology::Single) || !matches!(self.class(), Class::Link),
        }
    }

    /// Returns the words for the row of the report.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Kill => "replica: SIGKILL, and a new one in its place",
            Self::Terminate => "replica: SIGTERM, and a new one in its place",
            Self::PauseShort => "replica: SIGSTOP for less than the ttl, SIGCONT",
            Self::PauseLong => "replica: SIGSTOP for longer than the ttl, SIGCONT",
            Self::FreezeShort => "server: SIGSTOP for less than the command timeout, SIGCONT",
            Self::FreezeLong => "server: SIGSTOP for longer than that, SIGCONT",
            Self::CrashKeep => "server: SIGKILL, restart with its append-only file",
            Self::CrashEmpty => "server: SIGKILL, restart with nothing: the data set is lost",
            Self::FlushScripts => "server: SCRIPT FLUSH",
            Self::PauseClients => "server: CLIENT PAUSE",
            Self::CutClients => "server: CLIENT KILL of every connection",
            Self::OutOfMemory => "server: out of memory, every write refused",
            Self::Evict => "server: short of memory, with a policy that evicts keys",
            Self::ReadOnly => "server: demoted to a replica, every write refused",
            Self::Delay => "link: each reply delayed",
            Self::BlackHole => "link: black hole in both directions",
            Self::Reset => "link: connections reset",
            Self::HalfOpen => "link: half-open connections",
            Self::DropReply => "link: requests executed, replies dropped",
            Self::SkipReply => "link: one reply left out, so that the rest answers other requests",
            Self::Foreign => "key: taken by a Node peer (SET NX EX), later compare-and-delete",
            Self::ForgetFence => "key: the fence beside it is deleted",
            Self::ForgetTicks => "key: the watermark beside it is deleted",
            Self::CrashLoop => "work: every holder of one tick dies of it",
            Self::StepForward => "clock: the server's goes two hours ahead, and right again",
            Self::Deploy => "deployment: all replicas, one by one, with another schedule",
            Self::TwoSchedules => "deployment: one replica with another schedule, and back again",
            Self::Upgrade => "upgrade: all replicas, one by one, with the other version",
            Self::Failover => {
                "server: the primary is killed, and the sentinels promote its replica"
            }
            Self::FailoverFrozen => "server: the primary is stopped until its replica is promoted",
            Self::Reshard => "server: a slot with a lock moves to another node of the cluster",
            Self::StepBack => "clock: the server's goes two hours back, and right again",
        }
    }
}
