//! Checks every model, prints what it found, and exits non-zero if a promise does not hold or a
//! rule that is left out goes unnoticed.

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use civic_models::catalogue::{self, Entry, Extent};
use civic_models::report::{Paths, Report};
use civic_progress::Progress;

const HELP: &str = "\
Usage: cargo xtask models [--quick] [--model NAME] [--paths]

Checks the lock's protocol as small models, exhaustively within stated bounds. Then leaves out one
rule of the protocol after another, and looks for the shortest path that breaks a promise. Exits
non-zero if a promise does not hold, or if a rule that is left out breaks none.

Options:
  --quick         small scopes only: less than a minute on one core
  --model NAME    only the models whose names contain NAME
  --paths         print each path that was found, step by step
";

fn main() -> ExitCode {
    let mut extent = Extent::Whole;
    let mut paths = Paths::default();
    let mut only = String::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), &mut args) {
            ("--help" | "-h", _) => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            ("--quick", _) => extent = Extent::Quick,
            ("--paths", _) => paths = Paths::All,
            ("--model", rest) => match rest.next() {
                Some(name) => only = name,
                None => return usage("--model needs a name"),
            },
            _ => return usage(&format!("there is no option `{arg}`")),
        }
    }
    check(extent, paths, &only)
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("{problem}\n\n{HELP}");
    ExitCode::from(2)
}

fn check(extent: Extent, paths: Paths, only: &str) -> ExitCode {
    let begun = Instant::now();
    let mut entries = catalogue::all(extent);
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    if !names.iter().any(|name| name.contains(only)) {
        return usage(&format!(
            "no model's name contains `{only}`; the models are: {}",
            names.join(", ")
        ));
    }
    entries.retain(|entry| entry.name.contains(only));
    match report(&entries, paths, begun) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot write the tables: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(entries: &[Entry], paths: Paths, begun: Instant) -> io::Result<Vec<String>> {
    let mut report = Report::new(io::stdout(), paths);
    let progress = Progress::new();
    for (done, entry) in entries.iter().enumerate() {
        progress.mark(done as u64, entries.len() as u64, entry.name);
        report.check(entry)?;
    }
    report.finish(begun.elapsed())
}
