//! Notices when this machine stands still: a virtual machine that is paused, or a processor that is
//! so busy that no bound means anything. Promises about time are excused for these spans.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::history::{MILLI, What, monotonic};
use crate::log::Log;

const BEAT: Duration = Duration::from_millis(20);
/// A beat that is later than this is a stall. It is less than the margin of a lease, which is
/// ttl/10.
const STALL: u64 = 80 * MILLI;

/// Beats until it is dropped.
#[derive(Debug)]
pub(crate) struct Heart(Arc<AtomicBool>);

impl Heart {
    pub(crate) fn start(log: Log) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        thread::spawn(move || {
            let mut last = monotonic();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(BEAT);
                let now = monotonic();
                if now - last > STALL {
                    log.at(now, What::Stall { from: last });
                }
                last = now;
            }
        });
        Self(stop)
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
