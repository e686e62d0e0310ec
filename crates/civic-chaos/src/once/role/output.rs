//! What a role tells the driver.

use std::io::{self, Write};

use serde_json::Value;

/// The event of a role that accepts connections.
pub(crate) const LISTENING: &str = "listening";

/// Writes one line of JSON to stdout at once: the driver waits for it.
pub(super) fn print(event: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{event}")?;
    stdout.flush()
}
