//! The scripts of the commands about an execution, see [`Scripted`].

use crate::delivery::Delivery;
use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::Ownership;
use crate::store::holder::Holder;
use crate::store::limits::FENCE_RETENTION;
use crate::store::once::{
    Author, Begun, Completed, Detail, Execution, OnceBegin, OnceComplete, OnceForget, OncePeek,
    OncePeeked, OnceResolve, OnceUnbegin, Phase, Resolution, Resolved,
};
use crate::store::payload::Payload;
use crate::store::redis::operations::{Replication, Scripted, millis, values};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self, Script};

impl Scripted for OnceBegin {
    const SCRIPT: &'static Script = &script::ONCE_BEGIN;
    const REPLICATION: Replication = Replication::Acknowledged;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.fence_key(), name.once_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.ttl.as_millis().to_string(),
            millis(FENCE_RETENTION.max(self.ttl.get() * 2)),
            self.terms.delivery.as_str().to_owned(),
            self.terms.fingerprint.clone(),
            self.terms.retain.as_millis().to_string(),
            self.keep.as_millis().to_string(),
            values(&self.orphans),
        ]
    }

    fn read(reply: &Reply) -> Result<Begun<u64>, Error> {
        match reply.outcome() {
            Reply::GRANTED => Ok(Begun::Granted {
                lease: reply.number(0)?,
                attempt: reply.attempt(1)?,
                before: Phase::read(reply.text(2)?),
            }),
            "done" => Ok(Begun::Done(read_execution(reply, 0)?)),
            "running" => Ok(Begun::Running {
                holder: reply.text(0)?.to_owned(),
                ttl: reply.duration(1)?,
            }),
            "in_doubt" => Ok(Begun::InDoubt {
                since: reply.number(0)?,
                holder: reply.text(1)?.to_owned(),
                attempt: reply.attempt(2)?,
            }),
            "different" => Ok(Begun::Different),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for OnceComplete {
    const SCRIPT: &'static Script = &script::ONCE_COMPLETE;
    const REPLICATION: Replication = Replication::Acknowledged;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.once_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        let result = self.result.as_ref();
        vec![
            result.map(Payload::to_text).unwrap_or_default(),
            name.hint_channel(),
            Author::of_result(result).as_str().to_owned(),
        ]
    }

    fn read(reply: &Reply) -> Result<Completed, Error> {
        match reply.outcome() {
            Reply::RECORDED => Ok(Completed::Recorded {
                completed: reply.number(0)?,
                until: reply.number(1)?,
            }),
            "not_ours" => Ok(Completed::NotOurs),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for OnceForget {
    const SCRIPT: &'static Script = &script::ONCE_FORGET;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.once_key()]
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

impl Scripted for OncePeek {
    const SCRIPT: &'static Script = &script::ONCE_PEEK;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.once_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        let detail = match self.detail {
            Detail::State => "state",
            Detail::Result => "result",
        };
        vec![detail.to_owned()]
    }

    fn read(reply: &Reply) -> Result<OncePeeked, Error> {
        let execution = match reply.outcome() {
            "execution" => Some(read_execution(reply, 2)?),
            "none" => None,
            _ => return Err(reply.corrupt()),
        };
        Ok(OncePeeked {
            execution,
            holder: Some(reply.text(0)?.to_owned()).filter(|holder| !holder.is_empty()),
            ttl: reply.duration(1)?,
        })
    }
}

impl Scripted for OnceResolve {
    const SCRIPT: &'static Script = &script::ONCE_RESOLVE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.once_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        let to = match self.to {
            Resolution::Done => "done",
            Resolution::Free => "free",
        };
        vec![self.holder.clone(), self.attempt.to_string(), to.to_owned()]
    }

    fn read(reply: &Reply) -> Result<Resolved, Error> {
        match reply.outcome() {
            "resolved" => Ok(Resolved::Ended),
            "running" => Ok(Resolved::Running {
                ttl: reply.duration(0)?,
            }),
            "changed" => Ok(Resolved::Changed(read_execution(reply, 0)?)),
            "unknown" => Ok(Resolved::Unknown),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for OnceUnbegin {
    const SCRIPT: &'static Script = &script::ONCE_UNBEGIN;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.once_key()]
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

/// Reads the fields of a record, in the order of `execution.lua`.
fn read_execution(reply: &Reply, first: usize) -> Result<Execution, Error> {
    let text = |index: usize| reply.text(first + index);
    let delivery = match text(4)? {
        "at_least_once" => Delivery::AtLeastOnce,
        "at_most_once" => Delivery::AtMostOnce,
        _ => return Err(reply.corrupt()),
    };
    Ok(Execution {
        version: Execution::VERSION,
        phase: Phase::read(text(0)?).ok_or_else(|| reply.corrupt())?,
        holder: text(1)?.to_owned(),
        attempt: reply.attempt(first + 2)?,
        fence: reply.number(first + 3)?,
        delivery,
        fingerprint: text(5)?.to_owned(),
        begun: reply.number(first + 6)?,
        until: reply.number(first + 7)?,
        retain: reply.number(first + 8)?,
        completed: reply.optional(first + 9)?,
        author: Author::read(text(10)?).ok_or_else(|| reply.corrupt())?,
        result: Payload::read(text(11)?).ok_or_else(|| reply.corrupt())?,
    })
}
