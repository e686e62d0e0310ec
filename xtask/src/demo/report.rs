//! What the demo prints, and which promises were kept.

use std::fmt::Display;

/// The promises that were checked so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    kept: usize,
    broken: Vec<String>,
}

/// Starts a scene.
pub(super) fn scene(title: &str) {
    println!("\n━━ {title}");
}

/// A line of what happened.
pub(super) fn say(line: impl Display) {
    println!("   {line}");
}

/// A line under the last one.
pub(super) fn detail(line: impl Display) {
    println!("      {line}");
}

// ===== impl Report =====

impl Report {
    /// Says whether a promise was kept, and what was seen where it was not.
    pub(super) fn check(&mut self, promise: &str, kept: bool, seen: impl Display) {
        if kept {
            self.kept += 1;
            println!("   ✓ {promise}");
        } else {
            println!("   ✗ {promise}\n      seen: {seen}");
            self.broken.push(promise.to_owned());
        }
    }

    /// [`check`](Self::check) that a value is the expected one.
    pub(super) fn check_eq<T: PartialEq + Display + ?Sized>(
        &mut self,
        promise: &str,
        seen: &T,
        expected: &T,
    ) {
        let kept = seen == expected;
        self.check(promise, kept, format!("{seen}, not {expected}"));
    }

    /// How many promises were kept, or which were not.
    pub(super) fn finish(self) -> Result<usize, String> {
        if self.broken.is_empty() {
            return Ok(self.kept);
        }
        Err(format!(
            "{} of {} promises were not kept:\n  ✗ {}",
            self.broken.len(),
            self.broken.len() + self.kept,
            self.broken.join("\n  ✗ ")
        ))
    }
}
