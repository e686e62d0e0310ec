//! The moment of a transition.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::boot_clock;

/// The moment of a transition, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Milliseconds since boot, suspension included. Leases expire by it.
    pub(super) boot_ms: u64,
    /// Microseconds since the epoch. Fences and ticks are made of it.
    pub(super) wall_us: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            boot_ms: boot_clock::now().as_millis() as u64,
            wall_us: wall.as_micros() as u64,
        }
    }

    #[cfg(test)]
    pub(crate) fn at(boot_ms: u64, wall_us: u64) -> Self {
        Self { boot_ms, wall_us }
    }

    pub(super) fn wall_ms(self) -> u64 {
        self.wall_us / 1000
    }
}
