//! One line that says how far a long check is, on a terminal only.

use std::io::{IsTerminal, Write, stderr};

/// A line that is written over itself. Cleared when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            shown: stderr().is_terminal(),
        }
    }

    /// Shows a bar of `done` out of `all`, and a word about it.
    pub(crate) fn show(&self, done: u64, all: u64, word: &str) {
        if self.shown {
            eprint!("\r\x1b[2K   {} {done}/{all} {word}", bar(done, all));
            let _ = stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}

fn bar(done: u64, all: u64) -> String {
    const WIDTH: u64 = 30;
    let full = (done * WIDTH).checked_div(all).unwrap_or(WIDTH).min(WIDTH);
    (0..WIDTH)
        .map(|place| if place < full { '█' } else { '░' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_at_the_start_and_full_at_the_end() {
        assert_eq!(bar(0, 7), "░".repeat(30));
        assert_eq!(bar(7, 7), "█".repeat(30));
        assert_eq!(bar(0, 0), "█".repeat(30));
    }
}
