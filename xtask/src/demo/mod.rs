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
use self::report::{Report, detail, say};
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
Usage: cargo xtask demo

Builds and starts the example services as real processes, shows what happens on the wire, and
checks each promise where it is shown. Exits non-zero if one was not kept.

Environment:
  REDIS_URL    the replicas of the scheduler coordinate there; defaults to this machine's own locks
";

/// What to try after the demo: a command or a document, and what it shows.
const NEXT: &[(&str, &str)] = &[
    (
        "cargo run --package civic-server --example validation",
        "a service of your own: a validated POST",
    ),
    (
        "cargo run --package civic-client --example failures",
        "what a failed call says, and why it is not repeated",
    ),
    (
        "cargo run --package civic-lock --example scheduled_job",
        "a job on three replicas, in one file",
    ),
    (
        "cargo run --package civic-cli -- --help",
        "the operator's tool: tokens, calls, locks and jobs",
    ),
    ("README.md", "a client, a server and a job to paste"),
    ("docs/README.md", "the patterns, and every other document"),
];

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "demo",
    flags: &[],
    options: &[],
    names: Names::None,
    help: HELP,
};

/// Runs the demo. It takes no arguments.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    SYNTAX.read(args)?;
    let mut report = Report::default();
    report.scene("Building the fleet");
    let fleet = Fleet::new(Programs::build()?).with("JWT_SECRET", new_secret()?);
    say(fleet.programs().fleet.display());
    say(fleet.programs().civic.display());

    let started = Instant::now();
    // What ends a scene early is often the consequence of a promise that was broken before: both
    // are told.
    let played = play(fleet, &mut report);
    let kept = match (played, report.finish()) {
        (Ok(()), finished) => finished?,
        (Err(reason), Ok(_)) => return Err(reason),
        (Err(reason), Err(broken)) => return Err(format!("{broken}\nand then: {reason}")),
    };
    println!(
        "\nEach of the {kept} promises was kept, in {:.1} s.",
        started.elapsed().as_secs_f32()
    );
    println!("\n━━ What to try next");
    for (what, shows) in NEXT {
        say(what);
        detail(shows);
    }
    Ok(())
}

fn play(fleet: Fleet, report: &mut Report) -> Result<(), String> {
    report.scene("Starting the services");
    let (assessment_roll, roll) = fleet.serve("assessment-roll")?;
    announce(&assessment_roll, roll);
    let tap = Tap::start(roll).map_err(|error| format!("the wire tap: {error}"))?;
    say(format_args!("wire tap          on {}", tap.address));
    let (billing_process, billing) = fleet
        .with("ASSESSMENT_ROLL_URL", format!("http://{}", tap.address))
        .serve("billing")?;
    announce(&billing_process, billing);

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

fn announce(process: &Process, address: SocketAddr) {
    say(format_args!(
        "{:<17} on {address}, process {}",
        process.name(),
        process.id()
    ));
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
