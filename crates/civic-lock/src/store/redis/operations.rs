//! Which script each command runs, with which keys and arguments, and what its reply means.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Missed, Ownership, Peeked};
use crate::store::command::{
    Abandon, Acquire, Claim, Command, Complete, Miss, Peek, Register, Release, Renew, Unclaim,
};
use crate::store::holder::Holder;
use crate::store::limits::{MISSES_REMEMBERED, RETENTION};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self, Script};

/// A command as a script.
pub(crate) trait Scripted: Command {
    const SCRIPT: &'static Script;

    /// Whether replicas have to acknowledge what it does.
    const REPLICATION: Replication = Replication::Asynchronous;

    fn keys(&self, name: &LockName) -> Vec<String>;

    /// The value that the reply must begin with; `None` for a serial number.
    fn echo(&self) -> Option<&Holder>;

    /// The arguments after the echo and the deadline.
    fn args(&self, name: &LockName) -> Vec<String>;

    fn read(reply: &Reply) -> Result<Self::Answer, Error>;
}

/// Whether replicas have to acknowledge what a script does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replication {
    /// No one waits for the replicas.
    Asynchronous,
    /// As many replicas as are configured must have acknowledged a lock that was granted.
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
        let retain = RETENTION.max(self.ttl.get() * 2);
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

impl Scripted for Claim {
    const SCRIPT: &'static Script = &script::CLAIM;
    const REPLICATION: Replication = Replication::Acknowledged;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.fence_key(), name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        let request = &self.request;
        let retain = RETENTION.max(self.ttl.get() * 2).max(request.retain);
        let delivery = match request.delivery {
            Delivery::AtLeastOnce => "at_least_once",
            Delivery::AtMostOnce => "at_most_once",
        };
        let mut args = vec![
            self.ttl.as_millis().to_string(),
            request.tick.to_string(),
            millis(request.grace),
            millis(request.max_skew),
            delivery.to_owned(),
            millis(retain),
        ];
        args.extend(self.orphans.iter().map(|orphan| orphan.as_str().to_owned()));
        args
    }

    fn read(reply: &Reply) -> Result<Claimed<u64>, Error> {
        match reply.outcome() {
            Reply::GRANTED => Ok(Claimed::Granted {
                tick: reply.number(0)?,
                lease: reply.number(1)?,
                attempt: reply.attempt(2)?,
                done: reply.number(3)?,
            }),
            "already_done" => Ok(Claimed::AlreadyDone {
                done: reply.number(0)?,
            }),
            "running" => Ok(Claimed::Running {
                holder: reply.text(0)?.to_owned(),
                ttl: reply.duration(1)?,
                tick: reply.optional(2)?,
            }),
            "clock_ahead" => Ok(Claimed::ClockAhead { now: reply.now()? }),
            "too_late" => Ok(Claimed::TooLate {
                tick: reply.number(0)?,
                done: reply.number(1)?,
            }),
            "unregistered" => Ok(Claimed::Unregistered { now: reply.now()? }),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Complete {
    const SCRIPT: &'static Script = &script::COMPLETE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![
            self.tick.to_string(),
            millis(self.hold.unwrap_or_default()),
            name.hint_channel(),
            millis(RETENTION),
        ]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

impl Scripted for Miss {
    const SCRIPT: &'static Script = &script::MISS;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.by)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.from.to_string(),
            self.to.to_string(),
            MISSES_REMEMBERED.to_string(),
        ]
    }

    fn read(reply: &Reply) -> Result<Missed, Error> {
        match reply.outcome() {
            "marked" => Ok(Missed::Marked),
            "changed" => Ok(Missed::Changed {
                done: reply.optional(0)?,
                certain: reply.number(1)? == 1,
            }),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Peek {
    const SCRIPT: &'static Script = &script::PEEK;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        Vec::new()
    }

    fn read(reply: &Reply) -> Result<Peeked, Error> {
        Ok(Peeked {
            done: reply.optional(0)?,
            claimed: reply.optional(1)?,
            attempt: reply.attempt(2)?,
            holder: Some(reply.text(3)?.to_owned()).filter(|holder| !holder.is_empty()),
            now: reply.now()?,
        })
    }
}

impl Scripted for Register {
    const SCRIPT: &'static Script = &script::REGISTER;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![self.done.to_string(), millis(self.retain.max(RETENTION))]
    }

    fn read(reply: &Reply) -> Result<u64, Error> {
        reply.number(0)
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

impl Scripted for Unclaim {
    const SCRIPT: &'static Script = &script::UNCLAIM;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key()]
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

/// Milliseconds, rounded up: a hold may be longer than asked for, not shorter.
fn millis(duration: Duration) -> String {
    duration.as_nanos().div_ceil(1_000_000).to_string()
}
