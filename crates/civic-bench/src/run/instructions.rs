//! Instructions of our side of the work in memory, as callgrind counts them: unlike times, they
//! repeat on every machine with the same processor and compiler.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::measure::Effort;
use crate::report::{Counts, Report};
use crate::work::GROUPS;

pub(super) const NAME: &str = "instructions";
pub(super) const TITLE: &str = "Instructions";

/// How often the work is done in the longer of two runs. The shorter one has none.
const TIMES: u64 = 200;
/// The same for bodies of 750 KB.
const FEW_TIMES: u64 = 5;

pub(super) fn run(effort: Effort, report: &mut Report) {
    let program = env::current_exe().expect("this program is somewhere");
    let mut counts = Vec::new();
    for group in GROUPS {
        for piece in (group.pieces)() {
            let times = if piece.name.ends_with("750 KB") || effort == Effort::QUICK {
                FEW_TIMES
            } else {
                TIMES
            };
            // One time in the shorter run, so that both have made what is made once.
            let both = [1, 1 + times].map(|times| count(&program, piece.name, times));
            let [Some(once), Some(often)] = both else {
                eprintln!("  no valgrind: instructions are not counted");
                return;
            };
            counts.push((piece.name.to_owned(), (often - once) as f64 / times as f64));
        }
    }
    report.counts = Some(Counts {
        name: NAME,
        title: TITLE,
        pieces: counts,
    });
}

/// Returns the instructions of a process that does the work so many times, or `None` without
/// valgrind.
fn count(program: &Path, piece: &str, times: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--repeat", piece, &times.to_string()])
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{piece} under valgrind:\n{told}");
    let line = told
        .lines()
        .find_map(|line| line.split("Collected :").nth(1))
        .unwrap_or_else(|| panic!("callgrind collected nothing:\n{told}"));
    line.trim().parse().ok()
}
