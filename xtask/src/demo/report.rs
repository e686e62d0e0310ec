//! What the demo prints, and which promises were kept.

use std::fmt::Display;

use civic_progress::Progress;

/// The promises that were checked so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    kept: usize,
    broken: Vec<String>,
    scenes: u64,
    progress: Progress,
}

/// How many scenes the demo has.
const SCENES: u64 = 9;

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
    /// Starts a scene.
    pub(super) fn scene(&mut self, title: &str) {
        self.progress.mark(self.scenes, SCENES, "");
        self.scenes += 1;
        println!("\n━━ {title}");
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_scenes_is_right() {
        let parts = [
            include_str!("bill.rs"),
            include_str!("guard.rs"),
            include_str!("mod.rs"),
            include_str!("ticks.rs"),
        ];
        let scenes = parts
            .iter()
            .map(|part| part.matches("report.scene(").count() as u64)
            .sum::<u64>();
        assert_eq!(scenes, SCENES);
    }
}
