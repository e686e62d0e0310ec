//! Runs the simulation, prints its results, and writes or checks the page that shows them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use civic_simulate::catalogue::scenarios;
use civic_simulate::report::{File, files, run_all, table};

/// The seed of the page.
const SEED: u64 = 2026;

const USAGE: &str = "\
Usage: cargo xtask simulate [--check] [--only NAME] [--seed N]

Runs the published scenarios with each retry policy on simulated time, prints the results and writes
docs/simulation.md and its figures.

Options:
  --check      write nothing, and fail if the documents are not what the code gives
  --only NAME  only the scenarios whose names contain NAME; writes nothing
  --seed N     another seed than that of the documents; writes nothing
  --docs PATH  the folder of the documents [default: docs]
  --help       print this
";

/// What is done with the documents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Documents {
    Write,
    Check,
    LeaveAlone,
}

#[derive(Debug)]
struct Arguments {
    documents: Documents,
    only: String,
    seed: u64,
    docs: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("civic-simulate: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("civic-simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` if help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut parsed = Arguments {
        documents: Documents::Write,
        only: String::new(),
        seed: SEED,
        docs: PathBuf::from("docs"),
    };
    let mut check = false;
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--check" => check = true,
            "--only" => {
                parsed.only = value()?;
                parsed.documents = Documents::LeaveAlone;
            }
            "--seed" => {
                let seed = value()?;
                parsed.seed = seed
                    .parse()
                    .map_err(|_| format!("--seed needs a whole number from 0 on, not `{seed}`"))?;
                parsed.documents = Documents::LeaveAlone;
            }
            "--docs" => parsed.docs = value()?.into(),
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    if check && parsed.documents == Documents::LeaveAlone {
        return Err(
            "--check is about the documents, which show every scenario with one seed: it \
                    cannot be used with --only or --seed"
                .into(),
        );
    }
    if check {
        parsed.documents = Documents::Check;
    }
    Ok(Some(parsed))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let mut scenarios = scenarios();
    scenarios.retain(|scenario| scenario.name.contains(&arguments.only));
    if scenarios.is_empty() {
        return Err(format!("no scenario's name contains `{}`", arguments.only));
    }
    let results = run_all(&scenarios, arguments.seed)?;
    print!("{}", table(&results));
    match arguments.documents {
        Documents::LeaveAlone => Ok(()),
        Documents::Write => {
            for file in files(&results, arguments.seed)? {
                write(&arguments.docs, &file)?;
            }
            println!("wrote {}", arguments.docs.join("simulation.md").display());
            Ok(())
        }
        Documents::Check => {
            let stale: Vec<_> = files(&results, arguments.seed)?
                .into_iter()
                .filter(|file| {
                    std::fs::read_to_string(arguments.docs.join(file.path))
                        .ok()
                        .as_ref()
                        != Some(&file.contents)
                })
                .map(|file| arguments.docs.join(file.path).display().to_string())
                .collect();
            if stale.is_empty() {
                println!("the documents show these results");
                return Ok(());
            }
            Err(format!(
                "these documents do not show these results: {}\nLook at the differences, then run \
                 `cargo xtask simulate` and commit what it writes",
                stale.join(", ")
            ))
        }
    }
}

fn write(docs: &Path, file: &File) -> Result<(), String> {
    let path = docs.join(file.path);
    let folder = path.parent().unwrap_or(docs);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, &file.contents))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
