//! The state of one lock, as it is stored in one file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::LockName;
use crate::store::history::{RUNS_KEPT, RunRecord};
use crate::store::holder::Holder;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::limits::{FENCE_RETENTION, WATERMARK_RETENTION};
use crate::store::once::Execution;
use crate::store::peer::PeerSighting;
use crate::store::sighting::Sighting;
use crate::timing::Ttl;

/// The state of one lock.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct State {
    /// In the clear, for people who look at the folder. A file with another name in it belongs to
    /// another lock.
    pub(super) name: String,
    pub(super) holder: Option<String>,
    /// Milliseconds since the boot `boot`.
    expires: u64,
    boot: String,
    /// The liveness file of the holder's process. Empty on minimum hold.
    alive: String,
    /// The last fence that was given out.
    pub(super) fence: u64,
    /// The largest fence that was admitted to what the lock protects.
    #[serde(default, rename = "seen")]
    pub(super) admitted: u64,
    #[serde(flatten)]
    pub(super) ticks: Ticks,
    /// What is known of the execution under the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) once: Option<Execution>,
    /// The file may be removed from then on, in milliseconds since the epoch.
    retain_until: u64,
}

/// What is known of a job's ticks. The names in the file are those of the Redis hash, see
/// `claim.lua`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ticks {
    /// The watermark: this tick and all before it are done.
    pub(super) done: Option<u64>,
    /// The tick that runs, or whose holder died.
    pub(super) claimed: Option<u64>,
    /// The holder that has claimed it.
    pub(super) claimant: Option<String>,
    /// How often it was claimed.
    pub(super) attempt: u32,
    /// How often it was handed over.
    #[serde(default, rename = "handed")]
    pub(super) handed_over: u32,
    /// The watermark before an at-most-once claim.
    #[serde(rename = "prev")]
    pub(super) previous_done: Option<u64>,
    /// The holder that has completed the last tick.
    #[serde(rename = "by")]
    pub(super) completed_by: Option<String>,
    /// Who has moved the watermark over missed ticks, and where to; the latest first.
    #[serde(default, rename = "marks")]
    pub(super) missed_by: Vec<(String, u64)>,
    /// The schedules that the job was seen with.
    #[serde(default)]
    pub(super) schedules: Vec<Sighting>,
    /// How often an operator has set the watermark.
    #[serde(default)]
    pub(super) generation: u64,
    /// Since when no tick is claimed.
    #[serde(default)]
    pub(super) paused: Option<u64>,
    /// The foreign holder that was seen last.
    #[serde(default)]
    pub(super) peer: Option<PeerSighting>,
    /// The instant of the run that an operator has asked for.
    #[serde(default)]
    pub(super) due: Option<u64>,
    /// How often that run was claimed.
    #[serde(default)]
    pub(super) due_attempt: u32,
    /// The holder that has claimed it.
    #[serde(default)]
    pub(super) due_claimant: Option<String>,
    /// How often it was handed over.
    #[serde(default)]
    pub(super) due_handed_over: u32,
    /// What is remembered of the last runs, the latest first.
    #[serde(default)]
    pub(super) runs: Vec<RunRecord>,
}

// ===== impl Ticks =====

impl Ticks {
    /// Returns the watermark without an at-most-once tick whose holder has the key: its work may
    /// not have begun, and the claim may be taken back.
    pub(super) fn settled(&self, holder: Option<&str>) -> Option<u64> {
        let runs = holder.is_some() && self.claimant.as_deref() == holder;
        match self.previous_done {
            Some(previous) if runs && self.claimed == self.done => Some(previous),
            _ => self.done,
        }
    }
}

// ===== impl State =====

impl State {
    pub(crate) fn named(name: &LockName) -> Self {
        Self {
            name: name.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// Removes a holder whose time is over or whose process has died.
    pub(super) fn remove_ended_holder(
        &mut self,
        now: Moment,
        process: &Process,
        is_dead: impl FnOnce(&str) -> bool,
    ) {
        if self.holder.is_none() {
            return;
        }
        // A minimum hold outlives its process: it guards against other clocks.
        let on_hold = self.alive.is_empty();
        let is_own = self.alive == process.liveness_file;
        let ended = if self.boot == process.boot {
            now.boot_ms >= self.expires || (!on_hold && !is_own && is_dead(&self.alive))
        } else {
            // The machine was started again since. If the process is alive all the same, another
            // machine shares the folder, and its holder cannot be timed by the clock of this one.
            on_hold || is_own || is_dead(&self.alive)
        };
        if ended {
            self.holder = None;
        }
    }

    /// Removes the record of an execution whose time is over.
    pub(super) fn remove_ended_execution(&mut self, now: Moment) {
        self.once
            .take_if(|execution| execution.until <= now.wall_ms());
    }

    /// Whether there is something in it that has to survive the machine: which ticks and executions
    /// are begun and done, and which holder was the latest to write.
    pub(super) fn remembers(&self) -> bool {
        self.once.is_some() || self.admitted > 0 || self.ticks != Ticks::default()
    }

    pub(super) fn held_by(&self, holder: &Holder) -> bool {
        self.holder.as_deref() == Some(holder.as_str())
    }

    /// Whether the lock can be taken by someone who knows the watermark: no holder, or a minimum
    /// hold.
    pub(super) fn is_free(&self) -> bool {
        self.holder.is_none() || self.holder == self.ticks.completed_by
    }

    pub(super) fn ttl(&self, now: Moment) -> Option<Duration> {
        Some(Duration::from_millis(
            self.expires.saturating_sub(now.boot_ms),
        ))
    }

    /// Makes `holder` the holder, and returns its fence.
    pub(super) fn grant(
        &mut self,
        holder: &Holder,
        ttl: Ttl,
        now: Moment,
        process: &Process,
    ) -> u64 {
        self.holder = Some(holder.as_str().to_owned());
        self.boot.clone_from(&process.boot);
        self.alive.clone_from(&process.liveness_file);
        // Never below the clock, so that it grows even after the file was lost.
        self.fence = (self.fence + 1).max(now.wall_us);
        self.extend(ttl.as_millis(), now);
        self.retain(FENCE_RETENTION.max(ttl.get() * 2), now);
        self.fence
    }

    /// Gives out a fence without a holder: what is known of the last one is over.
    pub(super) fn bump(&mut self, now: Moment) -> u64 {
        self.fence = (self.fence + 1).max(now.wall_us);
        self.retain(FENCE_RETENTION, now);
        self.fence
    }

    pub(super) fn extend(&mut self, millis: u64, now: Moment) {
        self.expires = now.boot_ms + millis;
    }

    pub(super) fn retain(&mut self, at_least: Duration, now: Moment) {
        let until = now.wall_ms() + at_least.as_millis() as u64;
        self.retain_until = self.retain_until.max(until);
    }

    pub(super) fn retain_watermark(&mut self, at_least: Duration, now: Moment) {
        self.retain(at_least.max(WATERMARK_RETENTION), now);
    }

    /// Frees the lock, or keeps it for the rest of a minimum hold.
    pub(super) fn release(&mut self, hold: Option<Duration>, now: Moment) {
        match hold.filter(|hold| !hold.is_zero()) {
            Some(hold) => {
                self.extend(hold.as_nanos().div_ceil(1_000_000) as u64, now);
                // The life of a process no longer bounds it.
                self.alive.clear();
            }
            None => self.holder = None,
        }
    }

    pub(super) fn is_stale(&self, now: Moment) -> bool {
        let wall = now.wall_ms();
        let is_over = |execution: &Execution| wall >= execution.until;
        self.holder.is_none() && wall >= self.retain_until && self.once.as_ref().is_none_or(is_over)
    }
}

#[cfg(test)]
impl State {
    pub(crate) fn holder(&self) -> Option<String> {
        self.holder.clone()
    }

    pub(crate) fn done(&self) -> Option<u64> {
        self.ticks.done
    }

    pub(crate) fn claimed(&self) -> Option<u64> {
        self.ticks.claimed
    }

    pub(crate) fn generation(&self) -> u64 {
        self.ticks.generation
    }

    pub(crate) fn execution(&self) -> Option<&Execution> {
        self.once.as_ref()
    }
}

// ===== impl Ticks =====

impl Ticks {
    pub(super) fn forget_claim(&mut self) {
        self.claimed = None;
        self.claimant = None;
        self.attempt = 0;
        self.handed_over = 0;
        self.previous_done = None;
    }

    pub(super) fn forget_due(&mut self) {
        self.due = None;
        self.due_attempt = 0;
        self.due_claimant = None;
        self.due_handed_over = 0;
    }

    pub(super) fn remember(&mut self, run: Option<RunRecord>) {
        if let Some(run) = run {
            self.runs.insert(0, run);
            self.runs.truncate(RUNS_KEPT);
        }
    }
}
