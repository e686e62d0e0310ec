//! The log of a call, on stderr; stdout belongs to the answer.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::call::attempt_lines::AttemptLines;

/// The log on stderr, until it is closed.
#[derive(Debug)]
pub(super) struct Log {
    open: Mutex<bool>,
}

// ===== impl Log =====

impl Log {
    /// Starts the log: attempts if `verbose` asks for them, and what `RUST_LOG` asks for.
    pub(super) fn to_stderr(verbose: bool) -> Arc<Self> {
        let log = Arc::new(Self {
            open: Mutex::new(true),
        });
        let logs = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
        tracing_subscriber::registry()
            .with(verbose.then(AttemptLines::default))
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(Arc::clone(&log))
                    .with_ansi(false)
                    .with_filter(logs),
            )
            .init();
        log
    }

    /// Waits for a line that is being written, and drops all lines after it.
    pub(super) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl io::Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if *open {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
