//! `cargo xtask stress`: finds the tests that do not pass every time.
//!
//! Builds the test suite once, keeps every core busy, and runs each test program as often as it is
//! told to, several programs side by side. A test that is red once is listed; nothing stops at it.

mod load;
mod options;
mod record;

use std::time::Instant;

use civic_progress::Progress;

use self::load::Load;
use self::options::{HELP, Options};
use self::record::Record;
use crate::command::{Command, Help};
use crate::suite::{Outcome, PARTS, Program, WORKSPACE, side_by_side};
use crate::{sh, tools};

pub(crate) const COMMAND: Command = Command {
    name: "stress",
    summary: "run the test suite several times on busy cores, list every test that was ever red",
    help: Help::Text(HELP),
    run,
};

fn run(args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    let redis = tools::redis_server()?;
    let output = sh::target().join("stress");
    std::fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut programs = build(&options)?;

    let log = |run: usize, index: usize| output.join(format!("{run}-{index}.txt"));

    let load = Load::start();
    println!(
        "{} test programs, {} times, {} side by side, beside {} busy threads",
        programs.len(),
        options.times,
        options.jobs,
        load.threads()
    );
    let begun = Instant::now();
    let mut record = Record::default();
    let progress = Progress::new();
    for run in 1..=options.times {
        let start = Instant::now();
        let (mut passed, mut ignored) = (0, 0);
        let mut red = Vec::new();
        let outcomes = side_by_side(&programs, options.jobs, |index, program| {
            progress.show(
                ((run - 1) * programs.len() + index) as u64,
                (options.times * programs.len()) as u64,
                &format!("{} ({} red so far)", program.name, record.tests()),
            );
            let mut command = program.command(&redis);
            command.args(&options.tests);
            Outcome::of(command, &log(run, index), |after| after >= options.timeout)
                .map_err(|error| format!("{}: {error}", program.name))
        });
        let mut taken = Vec::new();
        for (index, (program, outcome)) in programs.iter().zip(outcomes).enumerate() {
            let outcome = outcome?;
            taken.push((outcome.taken, index));
            passed += outcome.passed;
            ignored += outcome.ignored;
            for test in &outcome.red {
                record.add(&program.name, test, &log(run, index));
                red.push(format!("{}  {test}", program.name));
            }
            if outcome.red.is_empty() {
                let _ = std::fs::remove_file(log(run, index));
            }
        }
        // The longest ones first, so that none of them is left to run alone at the end.
        taken.sort_by(|a, b| b.cmp(a));
        programs = taken
            .into_iter()
            .map(|(_, index)| programs[index].clone())
            .collect();
        progress.clear();
        println!(
            "run {run} of {}: {:.1} s, {passed} passed, {} red, {ignored} ignored",
            options.times,
            start.elapsed().as_secs_f64(),
            red.len()
        );
        for test in red {
            println!("    red: {test}");
        }
        if passed + ignored == 0 && record.is_empty() {
            return Err("no test has such a name: nothing was run".into());
        }
    }
    drop(load);
    let seconds = begun.elapsed().as_secs_f64();
    if record.is_empty() {
        println!(
            "\nNo test was red in any of {} runs, in {seconds:.1} s.",
            options.times
        );
        return Ok(());
    }
    println!("\nRed, and what each printed the first time:");
    for line in record.lines(options.times) {
        println!("{line}");
    }
    Err(format!(
        "{} tests were red in {} runs, in {seconds:.1} s",
        record.tests(),
        options.times
    ))
}

/// The test programs that were asked for.
fn build(options: &Options) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    if let Some(package) = &options.package {
        programs = WORKSPACE.programs(Some(package))?;
    } else {
        for part in PARTS {
            programs.extend(part.programs(None)?);
        }
    }
    let names: Vec<String> = programs
        .iter()
        .map(|program| program.name.clone())
        .collect();
    if let Some(only) = &options.only {
        programs.retain(|program| program.name.contains(only.as_str()));
        if programs.is_empty() {
            return Err(format!(
                "no test program's name contains `{only}`; the programs are {}",
                names.join("; ")
            ));
        }
    }
    Ok(programs)
}
