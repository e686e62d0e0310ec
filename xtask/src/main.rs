//! The workspace's own commands, as `cargo xtask <command>`.
//!
//! | command | what it does | file |
//! |---|---|---|
//! | `bench` | the benchmarks: ratios against a peer or a limit | `bench.rs` |
//! | `chaos` | random faults into the lock's replicas and server, and whether the promises hold | `chaos.rs` |
//! | `ci` | every check that a change has to pass | `ci/` |
//! | `demo` | the fleet at work, and whether it keeps its promises | `demo/` |
//! | `doctor` | what is missing here for which command, and what brings it | `doctor.rs` |
//! | `fuzz` | searches for bytes that break a promise of a parser | `fuzz/` |
//! | `interop` | the fleet against real Node peers, in both directions | `interop/` |
//! | `models` | the lock's protocol as small models, visited whole, and which broken rules they find | `models.rs` |
//! | `msrv` | the oldest Rust that the published crates can declare | `msrv.rs` |
//! | `postgres` | the recipe for one effect in a database, against a real server | `postgres/` |
//! | `public-api` | the public items of the published crates, as committed text | `public_api.rs` |
//! | `release` | what has to be true before the crates are published | `release/` |
//! | `simulate` | the retry policies before simulated servers that fail, and `docs/simulation.md` | `simulate.rs` |
//! | `stress` | the test suite several times on busy cores, and which tests were ever red | `stress/` |
//! | `tidy` | the style that the compiler, clippy and rustfmt do not check | `tidy/` |
//!
//! Each command does all the set-up that it needs, on a machine that has rustup and a C compiler.

mod arguments;
mod bench;
mod chaos;
mod ci;
mod command;
mod demo;
mod doctor;
mod documents;
mod examples;
mod fuzz;
mod installers;
mod interop;
mod markdown;
mod metadata;
mod models;
mod msrv;
mod package;
mod postgres;
mod process;
mod programs;
mod public_api;
mod public_types;
mod release;
mod rules;
mod sh;
mod simulate;
mod stress;
mod suite;
mod tidy;
mod tools;

use std::process::ExitCode;

use self::command::{Command, Help};

const COMMANDS: &[Command] = &[
    demo::COMMAND,
    ci::COMMAND,
    tidy::COMMAND,
    stress::COMMAND,
    chaos::COMMAND,
    fuzz::COMMAND,
    models::COMMAND,
    postgres::COMMAND,
    simulate::COMMAND,
    interop::COMMAND,
    bench::COMMAND,
    doctor::COMMAND,
    msrv::COMMAND,
    public_api::COMMAND,
    release::COMMAND,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match public_types::become_rustdoc().and_then(|()| run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let (name, rest) = match args.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", args),
    };
    // `help tidy` is `tidy --help`.
    let (name, wants_help) = match (name, rest.first()) {
        ("help" | "--help" | "-h", Some(command)) => (command.as_str(), true),
        _ => (name, has_flag(rest)),
    };
    if let "help" | "--help" | "-h" = name {
        print!("{}", usage());
        return Ok(());
    }
    let command = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| format!("there is no command `{name}`\n\n{}", usage()))?;
    match command.help {
        Help::Text(text) if wants_help => {
            print!("{text}");
            Ok(())
        }
        // `help chaos`. What `chaos once --help` asks for is for the program to say.
        Help::OfProgram if wants_help && !has_flag(rest) => (command.run)(&["--help".to_owned()]),
        Help::Text(_) | Help::OfProgram => (command.run)(rest),
    }
}

/// Whether the arguments ask for help.
fn has_flag(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--help" || arg == "-h")
}

/// One line per command.
fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [options]\n\nCommands:\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<12}{}\n", command.name, command.summary));
    }
    text.push_str("\n`cargo xtask <command> --help` says more about one of them.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_one_line_and_a_help_that_begins_with_its_usage() {
        for command in COMMANDS {
            assert!(
                usage().contains(&format!("  {:<12}{}\n", command.name, command.summary)),
                "{}",
                command.name
            );
            assert!(command.summary.len() < 90, "{}", command.name);
            if let Help::Text(text) = command.help {
                let usage = format!("Usage: cargo xtask {}", command.name);
                assert!(text.starts_with(&usage), "{}: {text}", command.name);
                assert!(text.ends_with('\n'), "{}", command.name);
            }
        }
    }

    #[test]
    fn an_unknown_command_is_an_error_that_lists_the_commands() {
        let error = run(&["nonsense".to_owned()]).expect_err("there is no such command");
        assert!(
            error.starts_with("there is no command `nonsense`"),
            "{error}"
        );
        assert!(error.contains("\n  tidy "), "{error}");
    }
}
