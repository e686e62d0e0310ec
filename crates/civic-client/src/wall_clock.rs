//! The wall clock: where the date comes from, so that a test can set it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// A source of the present date, which clones share. Defaults to the clock of the machine.
///
/// Only dates of a peer are compared with it. Every wait and every deadline goes by tokio's clock.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}
