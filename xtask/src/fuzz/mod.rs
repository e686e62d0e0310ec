//! `cargo xtask fuzz`: searches for bytes that break a promise of a parser.
//!
//! The targets are in civic-fuzz. Their seeds are part of the tests; the search is not, because it
//! has no end.

mod list;
mod miri;
mod options;
mod program;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use civic_progress::Progress;

use self::list::Row;
use self::options::{HELP, Options, Search};
use self::program::{Program, Searched};
use crate::command::{Command, Help};
use crate::sh;

pub(crate) const COMMAND: Command = Command {
    name: "fuzz",
    summary: "search for bytes that break a promise of a parser",
    help: Help::Text(HELP),
    run,
};

/// How often it is shown how far the search is.
const SHOWN_EVERY: Duration = Duration::from_millis(500);

fn run(args: &[String]) -> Result<(), String> {
    let rows = list::read()?;
    match Options::parse(args)? {
        Options::List => {
            for row in &rows {
                println!("{:<17}{}", row.name, row.input);
            }
            Ok(())
        }
        Options::Build => Program::build().map(drop),
        Options::Replay => sh::run(&mut sh::cargo_command([
            "test",
            "--locked",
            "--package",
            "civic-fuzz",
        ])),
        Options::Miri => miri::run(),
        Options::Search(search) => searched(&list::select(&rows, &search.targets)?, &search),
    }
}

fn searched(rows: &[&Row], search: &Search) -> Result<(), String> {
    let program = Program::build()?;
    println!(
        "{} targets, {} s each, {} side by side",
        rows.len(),
        search.time.as_secs(),
        search.jobs.min(rows.len())
    );
    let next = AtomicUsize::new(0);
    let progress = Progress::new();
    let worker = || {
        let mut broken = Vec::new();
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let searched = program.search(row, search.time)?;
            progress.clear();
            report(row, &searched, search);
            if searched.broken.is_some() {
                broken.push(row.name.clone());
            }
        }
        Ok::<_, String>(broken)
    };
    let workers = search.jobs.min(rows.len());
    let broken = thread::scope(|scope| {
        let turns = rows.len().div_ceil(workers.max(1)) as u64;
        let seconds = turns * search.time.as_secs();
        let begun = Instant::now();
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            let over = begun.elapsed().as_secs().min(seconds);
            progress.show(over, seconds, "seconds");
            thread::sleep(SHOWN_EVERY);
        }
        progress.clear();
        let mut broken = Vec::new();
        for worker in workers {
            let found = worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            broken.extend(found);
        }
        Ok::<_, String>(broken)
    })?;
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("a promise is broken: {}", broken.join(", ")))
    }
}

/// One line per target, and what was found.
fn report(row: &Row, searched: &Searched, search: &Search) {
    println!(
        "{:<17}{:>12} executions in {} s, {} places reached, log {}",
        row.name,
        searched.executions,
        search.time.as_secs(),
        searched.coverage,
        Program::log(row).display()
    );
    if let Some(broken) = &searched.broken {
        println!("{}: BROKEN by {broken}", row.name);
    }
}
