//! Which groups there are, and running them.

use civic_progress::Progress;

use super::{calls, instructions, leases, locks, memory, node};
use crate::measure::Effort;
use crate::report::Report;
use crate::work;

/// The names of the groups, in the order of the page.
#[must_use]
pub fn names() -> Vec<&'static str> {
    work::GROUPS
        .iter()
        .map(|group| group.name)
        .chain([
            calls::NAME,
            locks::NAME,
            leases::NAME,
            node::NAME,
            instructions::NAME,
        ])
        .collect()
}

/// Runs the groups of these names, and says on standard error which one is at work.
///
/// # Panics
///
/// If something that is measured fails.
#[must_use]
pub fn run(chosen: &[&str], effort: Effort) -> Report {
    let mut report = Report::default();
    let progress = Progress::new();
    let mut done = 0;
    let mut begin = |title: &str| {
        progress.clear();
        eprintln!("{title}");
        progress.show(done, chosen.len() as u64, title);
        done += 1;
    };
    for group in work::GROUPS {
        if chosen.contains(&group.name) {
            begin(group.title);
            memory::run(group, effort, &mut report);
        }
    }
    if chosen.contains(&calls::NAME) {
        begin(calls::TITLE);
        calls::run(effort, &mut report);
    }
    if chosen.contains(&locks::NAME) {
        begin(locks::TITLE);
        locks::run(effort, &mut report);
    }
    if chosen.contains(&leases::NAME) {
        begin(leases::TITLE);
        leases::run(effort, &mut report);
    }
    if chosen.contains(&node::NAME) {
        begin(node::TITLE);
        node::run(effort, &mut report);
    }
    if chosen.contains(&instructions::NAME) {
        begin(instructions::TITLE);
        instructions::run(effort, &mut report);
    }
    report
}
