//! The line, and where it is written.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::bar::line;

/// Returns to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Shows how far a command is, on a line of a terminal that is written over itself. The line is
/// cleared when this is dropped.
///
/// Several threads may share one.
pub struct Progress {
    began: Instant,
    /// `None` where no terminal is.
    terminal: Option<Mutex<Terminal>>,
}

struct Terminal {
    to: Box<dyn Write + Send>,
    shown: Shown,
}

/// Whether a line stands there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shown {
    Nothing,
    Line,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("is_shown", &self.terminal.is_some())
            .finish_non_exhaustive()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

// ===== impl Progress =====

impl Progress {
    /// Creates a line on stderr, which is shown if that is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self::on(stderr())
    }

    /// Creates a line on `output`, which is shown if that is a terminal.
    #[must_use]
    pub fn on(output: impl IsTerminal + Send + Write + 'static) -> Self {
        let terminal = output.is_terminal().then(|| {
            Mutex::new(Terminal {
                to: Box::new(output),
                shown: Shown::Nothing,
            })
        });
        Self {
            began: Instant::now(),
            terminal,
        }
    }

    /// Shows that `done` out of `all` is done, in place of the line before, and a word about what
    /// goes on.
    pub fn show(&self, done: u64, all: u64, word: &str) {
        let text = line(done, all, word, self.began.elapsed().as_secs());
        self.write(|terminal| {
            terminal.shown = Shown::Line;
            // What another part prints begins at the left.
            write!(terminal.to, "{CLEAR}{text}\r")
        });
    }

    /// Shows the same as [`show`](Self::show) and leaves it there: what others print follows below.
    pub fn mark(&self, done: u64, all: u64, word: &str) {
        let text = line(done, all, word, self.began.elapsed().as_secs());
        self.write(|terminal| {
            terminal.shown = Shown::Nothing;
            writeln!(terminal.to, "{CLEAR}{text}")
        });
    }

    /// Removes the line, before something else is printed.
    pub fn clear(&self) {
        self.write(|terminal| match terminal.shown {
            Shown::Nothing => Ok(()),
            Shown::Line => {
                terminal.shown = Shown::Nothing;
                write!(terminal.to, "{CLEAR}")
            }
        });
    }

    fn write(&self, write: impl FnOnce(&mut Terminal) -> std::io::Result<()>) {
        if let Some(terminal) = &self.terminal {
            let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
            // A terminal that is gone is no reason to end a command.
            let _ = write(&mut terminal);
            let _ = terminal.to.flush();
        }
    }
}
