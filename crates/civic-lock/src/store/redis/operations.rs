//! Which script each command runs, with which keys and arguments, and what its reply means.
//!
//! Those of ticks are in [`ticks`](super::ticks), those of executions in [`once`](super::once),
//! those of an operator in [`operator`](super::operator).

use std::time::Duration;

use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::{Acquired, Admission, Ownership};
use crate::store::command::{Abandon, Acquire, AdmitFence, Command, Release, Renew};
use crate::store::holder::Holder;
use crate::store::limits::{FENCE_RETENTION, WATERMARK_RETENTION};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self, Script};

/// A command as a script.
pub(crate) trait Scripted: Command {
    const SCRIPT: &'static Script;

    /// Whether replicas have to acknowledge what it does.
    const REPLICATION: Replication = Replication::Asynchronous;

    fn keys(&self, name: &LockName) -> Vec<String>;

    /// The holder, with which the reply must begin; `None` if there is none.
    fn echo(&self) -> Option<&Holder>;

    /// The arguments after the echo, the deadline and the serial.
    fn args(&self, name: &LockName) -> Vec<String>;

    fn read(reply: &Reply) -> Result<Self::Answer, Error>;
}

/// Whether replicas have to acknowledge what a script does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replication {
    /// No one waits for the replicas.
    Asynchronous,
    /// As many replicas as are configured must have acknowledged a lock that was granted, or a
    /// result that was recorded.
    Acknowledged,
}

impl Scripted for Abandon {
    const SCRIPT: &'static Script = &script::ABANDON;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![name.hint_channel()]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

impl Scripted for Acquire {
    const SCRIPT: &'static Script = &script::ACQUIRE;
    const REPLICATION: Replication = Replication::Acknowledged;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.fence_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        let retain = FENCE_RETENTION.max(self.ttl.get() * 2);
        let mut args = vec![self.ttl.as_millis().to_string(), millis(retain)];
        args.extend(self.orphans.iter().map(|orphan| orphan.as_str().to_owned()));
        args
    }

    fn read(reply: &Reply) -> Result<Acquired<u64>, Error> {
        match reply.outcome() {
            Reply::GRANTED => Ok(Acquired::Granted(reply.number(0)?)),
            "busy" => Ok(Acquired::Busy {
                holder: reply.text(0)?.to_owned(),
                ttl: reply.duration(1)?,
            }),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for AdmitFence {
    const SCRIPT: &'static Script = &script::ADMIT_FENCE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.seen_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.fence.to_string(),
            millis(self.ahead),
            millis(WATERMARK_RETENTION),
        ]
    }

    fn read(reply: &Reply) -> Result<Admission, Error> {
        match reply.outcome() {
            "admitted" => Ok(Admission::Admitted),
            "stale" => Ok(Admission::Stale {
                largest: reply.number(0)?,
            }),
            "ahead_of_clock" => Ok(Admission::AheadOfClock),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Release {
    const SCRIPT: &'static Script = &script::RELEASE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![millis(self.hold.unwrap_or_default()), name.hint_channel()]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

impl Scripted for Renew {
    const SCRIPT: &'static Script = &script::RENEW;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![self.ttl.as_millis().to_string()]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

/// Values in one argument. None of them contains a space, see
/// [`Leases::new`](crate::lease::acquire::Leases::new).
pub(super) fn values(holders: &[Holder]) -> String {
    let values: Vec<&str> = holders.iter().map(Holder::as_str).collect();
    values.join(" ")
}

/// Milliseconds, rounded up: a hold may be longer than asked for, not shorter.
pub(super) fn millis(duration: Duration) -> String {
    duration.as_nanos().div_ceil(1_000_000).to_string()
}
