//! What one state file says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::LockName;
use crate::store::answer::Released;
use crate::store::holder::Holder;
use crate::store::host::files::{Alive, Folder};
use crate::store::host::now::Now;
use crate::timing::Ttl;

/// Fence and watermark stay at least this long after their last use.
const RETAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct State {
    /// In the clear, for whoever looks at the folder. Another one is another lock's state.
    pub(super) name: String,
    pub(super) holder: Option<String>,
    /// Milliseconds since the boot `boot`.
    expires: u64,
    boot: String,
    /// The alive file of the holder's process.
    alive: String,
    /// The last fence that was given out.
    pub(super) fence: u64,
    pub(super) done: Option<u64>,
    pub(super) claimed: Option<u64>,
    pub(super) claimant: Option<String>,
    pub(super) attempt: u32,
    /// The watermark before an at-most-once claim.
    pub(super) prev: Option<u64>,
    /// Who has completed the last tick.
    pub(super) by: Option<String>,
    /// Who has moved the watermark over missed ticks, and where to; the latest first.
    #[serde(default)]
    pub(super) marks: Vec<(String, u64)>,
    /// May be removed from then on, milliseconds since the epoch.
    retain_until: u64,
}

impl State {
    pub(super) fn named(name: &LockName) -> Self {
        Self {
            name: name.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// Removes a holder whose time is over or whose process has died.
    pub(super) fn settle(&mut self, now: Now, folder: &Folder, own: &Alive) {
        if self.holder.is_none() {
            return;
        }
        let expired = self.boot != own.boot || now.boot_ms >= self.expires;
        // A minimum hold outlives its process: what it guards against is other clocks.
        let on_hold = self.alive.is_empty();
        if expired || (!on_hold && self.alive != own.file && folder.is_dead(&self.alive)) {
            self.holder = None;
        }
    }

    pub(super) fn held_by(&self, holder: &Holder) -> bool {
        self.holder.as_deref() == Some(holder.as_str())
    }

    pub(super) fn ttl(&self, now: Now) -> Option<Duration> {
        Some(Duration::from_millis(
            self.expires.saturating_sub(now.boot_ms),
        ))
    }

    pub(super) fn take(&mut self, holder: &Holder, ttl: Ttl, now: Now, alive: &Alive) -> u64 {
        self.holder = Some(holder.as_str().to_owned());
        self.boot.clone_from(&alive.boot);
        self.alive.clone_from(&alive.file);
        // Never below the clock, so that it also grows after the file was lost.
        self.fence = (self.fence + 1).max(now.wall_us);
        self.extend(ttl.as_millis(), now);
        self.retain(ttl.get() * 2, now);
        self.fence
    }

    pub(super) fn extend(&mut self, millis: u64, now: Now) {
        self.expires = now.boot_ms + millis;
    }

    pub(super) fn retain(&mut self, at_least: Duration, now: Now) {
        let until = now.wall_ms() + at_least.max(RETAIN).as_millis() as u64;
        self.retain_until = self.retain_until.max(until);
    }

    /// Frees it, or keeps it for the rest of a minimum hold.
    pub(super) fn let_go(&mut self, hold: Option<Duration>, now: Now) -> Released {
        match hold.filter(|hold| !hold.is_zero()) {
            Some(hold) => {
                self.extend(hold.as_nanos().div_ceil(1_000_000) as u64, now);
                // Nobody's life bounds it any more.
                self.alive.clear();
                Released::Held
            }
            None => {
                self.holder = None;
                Released::Released
            }
        }
    }

    pub(super) fn forget_claim(&mut self) {
        self.claimed = None;
        self.claimant = None;
        self.attempt = 0;
        self.prev = None;
    }

    pub(super) fn is_stale(&self, now: Now) -> bool {
        self.holder.is_none() && now.wall_ms() >= self.retain_until
    }
}
