//! The scripts of the commands of an operator, see [`Scripted`].

use crate::error::Error;
use crate::name::LockName;
use crate::store::history::RunRecord;
use crate::store::holder::Holder;
use crate::store::limits::FENCE_RETENTION;
use crate::store::operator::{
    Break, Broken, History, Pause, Paused, Requested, Reset, Resume, Resumed, RunNow,
    WatermarkReset,
};
use crate::store::redis::operations::{Scripted, millis};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self, Script};

impl Scripted for Break {
    const SCRIPT: &'static Script = &script::BREAK;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.key(), name.fence_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![
            self.holder.clone(),
            millis(FENCE_RETENTION),
            name.hint_channel(),
        ]
    }

    fn read(reply: &Reply) -> Result<Broken, Error> {
        match reply.outcome() {
            "broken" => Ok(Broken::Broken {
                fence: reply.number(0)?,
            }),
            "changed" => Ok(Broken::Changed {
                holder: Some(reply.text(0)?.to_owned()).filter(|holder| !holder.is_empty()),
            }),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for History {
    const SCRIPT: &'static Script = &script::HISTORY;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.runs_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        vec![self.limit.max(1).to_string()]
    }

    fn read(reply: &Reply) -> Result<Vec<RunRecord>, Error> {
        match reply.outcome() {
            "history" => Ok(reply
                .rest()
                // What another version has written in another form is left out.
                .filter_map(|run| serde_json::from_str(run).ok())
                .collect()),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Pause {
    const SCRIPT: &'static Script = &script::PAUSE;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, _: &LockName) -> Vec<String> {
        Vec::new()
    }

    fn read(reply: &Reply) -> Result<Paused, Error> {
        match reply.outcome() {
            "paused" => Ok(Paused::Since(reply.number(0)?)),
            "unregistered" => Ok(Paused::Unregistered),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Reset {
    const SCRIPT: &'static Script = &script::RESET;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![self.done.to_string(), name.hint_channel()]
    }

    fn read(reply: &Reply) -> Result<WatermarkReset, Error> {
        match reply.outcome() {
            "reset" => Ok(WatermarkReset::Reset {
                generation: reply.number(0)?,
                before: reply.number(1)?,
            }),
            "unregistered" => Ok(WatermarkReset::Unregistered),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for Resume {
    const SCRIPT: &'static Script = &script::RESUME;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![name.hint_channel()]
    }

    fn read(reply: &Reply) -> Result<Resumed, Error> {
        match reply.outcome() {
            "resumed" => Ok(reply
                .optional(0)?
                .map_or(Resumed::NotPaused, Resumed::Since)),
            "unregistered" => Ok(Resumed::Unregistered),
            _ => Err(reply.corrupt()),
        }
    }
}

impl Scripted for RunNow {
    const SCRIPT: &'static Script = &script::RUN_NOW;

    fn keys(&self, name: &LockName) -> Vec<String> {
        vec![name.tick_key()]
    }

    fn echo(&self) -> Option<&Holder> {
        None
    }

    fn args(&self, name: &LockName) -> Vec<String> {
        vec![self.tick.unwrap_or(0).to_string(), name.hint_channel()]
    }

    fn read(reply: &Reply) -> Result<Requested, Error> {
        match reply.outcome() {
            "due" => Ok(Requested::Due(reply.number(0)?)),
            "already_due" => Ok(Requested::AlreadyDue(reply.number(0)?)),
            "unregistered" => Ok(Requested::Unregistered),
            _ => Err(reply.corrupt()),
        }
    }
}
