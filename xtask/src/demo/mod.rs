//! `cargo xtask demo`: the fleet at work, and whether it keeps its promises.
//!
//! Real processes on real sockets. A clerk asks `billing` for a bill; `billing` asks
//! `assessment-roll`, through a wire tap that shows and disturbs what passes; callers who may not
//! come in are sent away; three replicas of `penalty-scheduler` share out ticks while one of them
//! is killed. Each promise is checked where it is shown, and one that was not kept makes the
//! command fail.
//!
//! Needs no Redis: the scheduler's replicas coordinate on this machine. With `REDIS_URL` they use
//! that. Ctrl-C leaves no process behind: see `process.rs`.

mod bill;
mod guard;
mod http;
mod process;
mod report;
mod secret;
mod stage;
mod tap;
mod ticks;
mod token;

use std::net::SocketAddr;
use std::time::Instant;

use self::process::{Fleet, Process};
use self::report::{Extent, Report};
use self::secret::new_secret;
use self::stage::Stage;
use self::tap::Tap;
use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::programs::Programs;

pub(crate) const COMMAND: Command = Command {
    name: "demo",
    summary: "start the example fleet, show what happens on the wire, check each promise",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask demo [--verbose]

Builds and starts the example services as real processes, shows what happens on the wire, and
checks each promise where it is shown. Exits non-zero if one was not kept.

Options:
  --verbose    print every header on the wire and every promise that is checked

Environment:
  REDIS_URL    the replicas of the scheduler coordinate there; defaults to this machine's own locks
";

/// What to try after the demo: a command or a document, and what it shows.
const NEXT: &[(&str, &str)] = &[
    (
        "README.md",
        "a client, a server and a scheduled job to paste",
    ),
    (
        "cargo run --package civic-server --example validation",
        "a validated POST",
    ),
    (
        "cargo run --package civic-client --example failures",
        "what a failed call says",
    ),
    (
        "cargo run --package civic-lock --example scheduled_job",
        "a job on three replicas",
    ),
    (
        "cargo run --package civic-cli -- --help",
        "the operator's tool",
    ),
    ("docs/README.md", "every other document, by question"),
];

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "demo",
    flags: &["--verbose"],
    options: &[],
    names: Names::None,
    help: HELP,
};

/// Runs the demo.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let extent = match SYNTAX.read(args)?.has("--verbose") {
        true => Extent::Whole,
        false => Extent::Short,
    };
    let mut report = Report::new(extent);
    report.scene("Building the fleet");
    let fleet = Fleet::new(Programs::build()?).with("JWT_SECRET", new_secret()?);
    report.detail(fleet.programs().fleet.display());
    report.detail(fleet.programs().civic.display());

    let started = Instant::now();
    // What ends a scene early is often the consequence of a promise that was broken before: both
    // are told.
    let played = play(fleet, &mut report);
    let kept = match (played, report.finish()) {
        (Ok(()), finished) => finished?,
        (Err(reason), Ok(_)) => return Err(reason),
        (Err(reason), Err(broken)) => return Err(format!("{broken}\nand then: {reason}")),
    };
    let took = started.elapsed().as_secs_f32();
    println!("\nEach of the {kept} promises was kept, in {took:.1} s.");
    if extent == Extent::Short {
        println!("`cargo xtask demo --verbose` shows each of them, and every header on the wire.");
    }
    println!("\n━━ What to try next");
    for (what, shows) in NEXT {
        println!("   {what:<55}{shows}");
    }
    Ok(())
}

fn play(fleet: Fleet, report: &mut Report) -> Result<(), String> {
    report.scene("Starting the services");
    let (assessment_roll, roll) = fleet.serve("assessment-roll")?;
    report.say(announcement(&assessment_roll, roll));
    let tap = Tap::start(roll).map_err(|error| format!("the wire tap: {error}"))?;
    report.say(format_args!("wire tap          on {}", tap.address));
    let (billing_process, billing) = fleet
        .with("ASSESSMENT_ROLL_URL", format!("http://{}", tap.address))
        .serve("billing")?;
    report.say(announcement(&billing_process, billing));

    let mut stage = Stage {
        fleet,
        signatures: Vec::new(),
        billing,
        roll,
        tap,
    };
    bill::play(&mut stage, report)?;
    guard::play(&mut stage, report)?;
    ticks::play(&stage.fleet, report)?;

    report.scene("Closing");
    close(report, &stage, [billing_process, assessment_roll])
}

fn announcement(process: &Process, address: SocketAddr) -> String {
    let (name, id) = (process.name(), process.id());
    format!("{name:<17} on {address}, process {id}")
}

/// Stops the services, and reads in their logs what must not be there.
fn close<const N: usize>(
    report: &mut Report,
    stage: &Stage,
    processes: [Process; N],
) -> Result<(), String> {
    let mut logs = String::new();
    for process in processes {
        let name = process.name().to_owned();
        let (status, log) = process.stop()?;
        report.check(
            &format!("{name} stops when it is told to, in good order"),
            status.success(),
            status,
        );
        logs.push_str(&log);
    }
    report.check(
        "The services logged the requests of this demo",
        logs.contains("/api/billing/bills") && logs.contains(bill::CORRELATION_ID),
        format_args!("{} bytes of log", logs.len()),
    );
    let leaked = stage
        .signatures
        .iter()
        .filter(|signature| logs.contains(signature.as_str()))
        .count();
    report.check(
        &format!(
            "None of the {} tokens is in a log line",
            stage.signatures.len()
        ),
        leaked == 0,
        format_args!("{leaked} of them are"),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sh;

    #[test]
    fn what_to_try_next_is_there() {
        for (what, _) in NEXT {
            let file = match what.split(' ').collect::<Vec<_>>()[..] {
                [document] => document.to_owned(),
                ["cargo", "run", "--package", package, "--example", example] => {
                    format!("crates/{package}/examples/{example}.rs")
                }
                ["cargo", "run", "--package", package, "--", ..] => {
                    format!("crates/{package}/src/main.rs")
                }
                _ => panic!("neither a document nor a program: {what}"),
            };
            assert!(sh::root().join(&file).is_file(), "{what}: {file}");
        }
    }
}
