//! The scripts of the commands about ticks, see [`Scripted`].

use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::{Claimed, Due, Looked, Missed, Ownership, Peeked};
use crate::store::command::{
    Claim, ClaimDue, Complete, CompleteDue, HandOver, Miss, Peek, Record, Register, Sight, Unclaim,
};
use crate::store::history::{RUNS_KEPT, RunRecord};
use crate::store::holder::Holder;
use crate::store::limits::{MISSES_REMEMBERED, WATERMARK_RETENTION};
use crate::store::peer::PeerSighting;
use crate::store::redis::operations::{Replication, Scripted, millis, values};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self, Script};
use crate::store::sighting::{SCHEDULES_KEPT, Sighted, Sighting};

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
        let retain = WATERMARK_RETENTION.max(request.retain);
        vec![
            self.ttl.as_millis().to_string(),
            request.tick.to_string(),
            millis(request.grace),
            millis(request.max_skew),
            request.delivery.as_str().to_owned(),
            millis(retain),
            values(&self.orphans),
            serde_json::to_string(&self.terms).unwrap_or_default(),
        ]
    }

    fn read(reply: &Reply) -> Result<Claimed<u64>, Error> {
        read_claimed(reply)
    }
}

impl Scripted for ClaimDue {
    const SCRIPT: &'static Script = &script::CLAIM_DUE;
    const REPLICATION: Replication = Replication::Acknowledged;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.fence_key(), name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.ttl.as_millis().to_string(),
            millis(WATERMARK_RETENTION.max(self.retain)),
            values(&self.orphans),
            self.attempts.unwrap_or(0).to_string(),
        ]
    }

    fn read(reply: &Reply) -> Result<Claimed<u64>, Error> {
        read_claimed(reply)
    }
}

impl Scripted for Complete {
    const SCRIPT: &'static Script = &script::COMPLETE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key(), name.runs_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![
            self.tick.to_string(),
            millis(self.hold.unwrap_or_default()),
            name.hint_channel(),
            millis(WATERMARK_RETENTION),
            self.generation.map(|it| it.to_string()).unwrap_or_default(),
            run_text(self.run.as_ref()),
            RUNS_KEPT.to_string(),
        ]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

impl Scripted for CompleteDue {
    const SCRIPT: &'static Script = &script::COMPLETE_DUE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key(), name.runs_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.holder)
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![
            millis(self.hold.unwrap_or_default()),
            name.hint_channel(),
            run_text(self.run.as_ref()),
            RUNS_KEPT.to_string(),
            millis(WATERMARK_RETENTION),
        ]
    }

    fn read(reply: &Reply) -> Result<Ownership, Error> {
        reply.ownership()
    }
}

impl Scripted for HandOver {
    const SCRIPT: &'static Script = &script::HAND_OVER;

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

impl Scripted for Miss {
    const SCRIPT: &'static Script = &script::MISS;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.tick_key(), name.runs_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        Some(&self.by)
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.from.to_string(),
            self.to.to_string(),
            MISSES_REMEMBERED.to_string(),
            run_text(self.run.as_ref()),
            RUNS_KEPT.to_string(),
            millis(WATERMARK_RETENTION),
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
        vec![name.key(), name.tick_key(), name.fence_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        Vec::new()
    }

    fn read(reply: &Reply) -> Result<Peeked, Error> {
        let text = |index| Ok::<_, Error>(Some(reply.text(index)?).filter(|text| !text.is_empty()));
        let owned = |index| Ok::<_, Error>(text(index)?.map(str::to_owned));
        let due_attempt = reply.attempt(10)?;
        Ok(Peeked {
            done: reply.optional(0)?,
            claimed: reply.optional(1)?,
            attempt: reply.attempt(2)?,
            holder: owned(3)?,
            claimant: owned(4)?,
            ttl: reply.duration(5)?,
            fence: reply.number(6)?,
            generation: reply.number(7)?,
            paused: reply.optional(8)?,
            due: reply.optional(9)?.map(|tick| Due {
                tick,
                attempt: due_attempt,
            }),
            peer: text(11)?.and_then(PeerSighting::read),
            schedules: Sighting::read_lines(reply.text(12)?),
            now: reply.now()?,
        })
    }
}

impl Scripted for Record {
    const SCRIPT: &'static Script = &script::RECORD;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.runs_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.run.to_json(),
            RUNS_KEPT.to_string(),
            millis(WATERMARK_RETENTION),
        ]
    }

    fn read(reply: &Reply) -> Result<(), Error> {
        match reply.outcome() {
            "recorded" => Ok(()),
            _ => Err(reply.corrupt()),
        }
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
        let schedule = self.schedule.as_ref();
        vec![
            self.done.to_string(),
            millis(self.retain.max(WATERMARK_RETENTION)),
            schedule.map_or("", |schedule| schedule.as_str()).to_owned(),
            self.first.to_string(),
        ]
    }

    fn read(reply: &Reply) -> Result<u64, Error> {
        reply.number(0)
    }
}

impl Scripted for Sight {
    const SCRIPT: &'static Script = &script::SIGHT;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![
            self.schedule.as_str().to_owned(),
            millis(self.silence),
            SCHEDULES_KEPT.to_string(),
            millis(self.retain.max(WATERMARK_RETENTION)),
        ]
    }

    fn read(reply: &Reply) -> Result<Looked, Error> {
        match reply.outcome() {
            "sighted" => Ok(Looked::Sighted(Sighted {
                first: reply.number(0)?,
                kept: Sighting::read_lines(reply.text(1)?),
                dropped: Sighting::read_lines(reply.text(2)?),
            })),
            "unregistered" => Ok(Looked::Unregistered),
            _ => Err(reply.corrupt()),
        }
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

fn read_claimed(reply: &Reply) -> Result<Claimed<u64>, Error> {
    match reply.outcome() {
        Reply::GRANTED => Ok(Claimed::Granted {
            tick: reply.number(0)?,
            lease: reply.number(1)?,
            attempt: reply.attempt(2)?,
            done: reply.number(3)?,
            handed_over: reply.attempt(4)?,
        }),
        "already_done" | "not_due" => Ok(Claimed::AlreadyDone {
            done: reply.number(0)?,
        }),
        "ran_by_peer" => Ok(Claimed::RanByPeer {
            holder: reply.text(0)?.to_owned(),
            ttl: reply.duration(1)?,
            tick: reply.number(2)?,
        }),
        "unscheduled" => Ok(Claimed::Unscheduled {
            first: reply.number(0)?,
        }),
        "paused" => Ok(Claimed::Paused {
            since: reply.number(0)?,
        }),
        "reset" => Ok(Claimed::Reset {
            generation: reply.number(0)?,
            done: reply.number(1)?,
        }),
        "exhausted" => Ok(Claimed::Exhausted {
            tick: reply.number(0)?,
            done: reply.number(1)?,
        }),
        "running" => Ok(Claimed::Running {
            holder: reply.text(0)?.to_owned(),
            ttl: reply.duration(1)?,
            tick: reply.optional(2)?,
        }),
        "clock_suspect" => Ok(Claimed::ClockSuspect { now: reply.now()? }),
        "clock_ahead" => Ok(Claimed::ClockAhead { now: reply.now()? }),
        "too_late" => Ok(Claimed::TooLate {
            tick: reply.number(0)?,
            done: reply.number(1)?,
        }),
        "unregistered" => Ok(Claimed::Unregistered { now: reply.now()? }),
        _ => Err(reply.corrupt()),
    }
}

/// What is remembered of a run, as an argument.
fn run_text(run: Option<&RunRecord>) -> String {
    run.map(RunRecord::to_json).unwrap_or_default()
}
