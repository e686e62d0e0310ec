//! What the demo prints, and which promises were kept.

use std::fmt::Display;

use civic_progress::Progress;

/// How much the demo prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// What happens, and per scene one line about its promises.
    Short,
    /// Every header on the wire and every promise, too.
    Whole,
}

/// The promises that were checked so far.
#[derive(Debug)]
pub(super) struct Report {
    extent: Extent,
    kept: usize,
    broken: Vec<String>,
    /// Those of this scene that were kept.
    scene: Vec<String>,
    scenes: u64,
    progress: Progress,
}

/// How many scenes the demo has.
const SCENES: u64 = 8;

// ===== impl Report =====

impl Report {
    pub(super) fn new(extent: Extent) -> Self {
        Self {
            extent,
            kept: 0,
            broken: Vec::new(),
            scene: Vec::new(),
            scenes: 0,
            progress: Progress::new(),
        }
    }

    /// Starts a scene.
    pub(super) fn scene(&mut self, title: &str) {
        self.end_scene();
        self.scenes += 1;
        self.print(format_args!("\n━━ {title}"));
    }

    /// A line of what happened.
    pub(super) fn say(&self, line: impl Display) {
        self.print(format_args!("   {line}"));
    }

    /// A line under the last one, for those who ask for all of it.
    pub(super) fn detail(&self, line: impl Display) {
        if self.extent == Extent::Whole {
            self.print(format_args!("      {line}"));
        }
    }

    /// Says whether a promise was kept, and what was seen where it was not.
    pub(super) fn check(&mut self, promise: &str, kept: bool, seen: impl Display) {
        if !kept {
            self.print(format_args!("   ✗ {promise}\n      seen: {seen}"));
            self.broken.push(promise.to_owned());
            return;
        }
        self.kept += 1;
        self.scene.push(promise.to_owned());
        if self.extent == Extent::Whole {
            self.print(format_args!("   ✓ {promise}"));
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
    pub(super) fn finish(mut self) -> Result<usize, String> {
        self.end_scene();
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

    /// Says which promises of the scene were kept, where that was not said for each.
    fn end_scene(&mut self) {
        let scene = std::mem::take(&mut self.scene);
        if self.extent == Extent::Short
            && let Some(line) = summary(&scene)
        {
            self.print(format_args!("   ✓ {line}"));
        }
    }

    /// Prints a line, and below it how far the demo is, where that is a terminal.
    fn print(&self, line: impl Display) {
        self.progress.clear();
        println!("{line}");
        let ended = self.scenes.saturating_sub(1);
        self.progress.show(ended, SCENES, "scenes");
    }
}

/// The first promise of a scene, which is the one that it is about, and how many there are besides.
fn summary(kept: &[String]) -> Option<String> {
    let (first, others) = kept.split_first()?;
    Some(match others.len() {
        0 => first.clone(),
        1 => format!("{first} (and 1 more promise)"),
        others => format!("{first} (and {others} more promises)"),
    })
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

    #[test]
    fn a_scene_is_summed_up_in_one_line() {
        let kept = |promises: &[&str]| {
            let promises: Vec<String> = promises.iter().map(|&one| one.to_owned()).collect();
            summary(&promises)
        };
        assert_eq!(kept(&[]), None);
        assert_eq!(kept(&["It is wrapped"]).as_deref(), Some("It is wrapped"));
        assert_eq!(
            kept(&["It is wrapped", "b"]).as_deref(),
            Some("It is wrapped (and 1 more promise)")
        );
        assert_eq!(
            kept(&["It is wrapped", "b", "c"]).as_deref(),
            Some("It is wrapped (and 2 more promises)")
        );
    }

    #[test]
    fn a_broken_promise_is_told_whatever_the_extent() {
        for extent in [Extent::Short, Extent::Whole] {
            let mut report = Report::new(extent);
            report.check("It is wrapped", true, "");
            report.check_eq("It is whole", &1, &2);
            let told = report.finish().expect_err("one is broken");
            assert_eq!(told, "1 of 2 promises were not kept:\n  ✗ It is whole");
        }
    }
}
