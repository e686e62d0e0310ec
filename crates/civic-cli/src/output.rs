//! Machine-readable output, and the instants that are in it.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Prints one JSON object per line, at once: a program that reads it waits on a pipe.
pub(crate) fn print(line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Milliseconds since the epoch, by the system's clock.
pub(crate) fn epoch_millis() -> u128 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
}

/// Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
pub(crate) fn mono_nanos() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
    .as_nanos()
}
