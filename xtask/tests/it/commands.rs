//! The commands, as they are typed.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{commands, read, root, xtask};

/// Commands whose help is that of a program which has to be built first.
const OF_A_PROGRAM: [&str; 3] = ["chaos", "models", "simulate"];

/// Commands that are done within a few seconds.
const SHORT: [&str; 2] = ["doctor", "tidy"];

/// Where each of the other commands shows how far it is.
const LONG: [(&str, &str); 16] = [
    ("bench", "crates/civic-bench/src/run/all.rs"),
    ("bench", "xtask/src/bench.rs"),
    ("chaos", "crates/civic-chaos/src/once/mod.rs"),
    ("chaos", "crates/civic-chaos/src/run.rs"),
    ("ci", "xtask/src/ci/mod.rs"),
    ("demo", "xtask/src/demo/report.rs"),
    ("fuzz", "xtask/src/fuzz/mod.rs"),
    ("interop", "crates/civic-interop/src/main.rs"),
    ("interop", "crates/civic-interop/src/compare/comparison.rs"),
    ("models", "crates/civic-models/src/main.rs"),
    ("msrv", "xtask/src/msrv.rs"),
    ("postgres", "xtask/src/postgres/mod.rs"),
    ("public-api", "xtask/src/public_api.rs"),
    ("release", "xtask/src/release/command.rs"),
    ("simulate", "crates/civic-simulate/src/report/mod.rs"),
    ("stress", "xtask/src/stress/mod.rs"),
];

/// Where the help of a program is that has to be built first.
const HELP_OF_A_PROGRAM: [(&str, &str); 4] = [
    ("chaos", "crates/civic-chaos/src/options.rs"),
    ("chaos", "crates/civic-chaos/src/once/options.rs"),
    ("models", "crates/civic-models/src/main.rs"),
    ("simulate", "crates/civic-simulate/src/main.rs"),
];

/// Both ends of a terminal: what is written to the second is read from the first.
fn terminal() -> (File, File) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be made");
    grantpt(&near).expect("it is ours");
    unlockpt(&near).expect("it can be opened");
    let name = ptsname(&near, Vec::new()).expect("it has a name");
    let far = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().expect("text"))
        .expect("its other end opens");
    (File::from(near), far)
}

#[test]
fn every_command_has_a_line_and_a_help() {
    let commands = commands();
    assert!(commands.len() >= 14, "{commands:?}");
    for name in &commands {
        if OF_A_PROGRAM.contains(&name.as_str()) {
            continue;
        }
        for arguments in [[name.as_str(), "--help"], ["help", name.as_str()]] {
            let output = xtask(&arguments);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{arguments:?}");
            let usage = format!("Usage: cargo xtask {name}");
            assert!(text.starts_with(&usage), "{arguments:?}: {text}");
        }
    }
}

#[test]
fn a_command_that_is_unknown_or_told_something_unknown_fails_with_what_there_is() {
    for (arguments, words) in [
        (&["nonsense"][..], "there is no command `nonsense`"),
        (&["doctor", "now"], "doctor takes options only"),
        (&["release"], "--dry-run or --publish"),
        (&["ci", "no such step"], "there is no step `no such step`"),
    ] {
        let output = xtask(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

#[test]
fn a_command_that_is_a_program_has_its_help_there() {
    for name in OF_A_PROGRAM {
        assert!(
            HELP_OF_A_PROGRAM.iter().any(|(of, _)| *of == name),
            "{name}"
        );
    }
    for (name, file) in HELP_OF_A_PROGRAM {
        let source = read(file);
        assert!(
            source.contains(&format!("Usage: cargo xtask {name} ")),
            "{file}"
        );
    }
}

#[test]
fn every_command_that_takes_longer_than_a_few_seconds_shows_how_far_it_is() {
    for name in commands() {
        let is_long = LONG.iter().any(|(long, _)| *long == name);
        assert_ne!(
            is_long,
            SHORT.contains(&name.as_str()),
            "{name}: long or short?"
        );
    }
    for (name, file) in LONG {
        let source = read(file);
        let mut calls = ["progress.mark(", "progress.show(", "pace::show("].into_iter();
        assert!(calls.any(|call| source.contains(call)), "{name}: {file}");
    }
}

#[test]
fn on_a_terminal_a_command_shows_how_far_it_is() {
    let (mut near, far) = terminal();
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "format"])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(far)
        .spawn()
        .expect("it can be started");
    let mut shown = Vec::new();
    // When no one has the other end any more, the terminal is at its end: on Linux with an error.
    let _ = near.read_to_end(&mut shown);
    child.wait().expect("it ended");
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("░ 0/1 0:00 format"), "{shown:?}");
}

#[test]
fn nothing_of_a_progress_bar_is_in_a_log() {
    let output = xtask(&["ci", "format"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains('\u{1b}') && !text.contains('█'), "{text:?}");
}

#[test]
fn every_program_that_the_doctor_looks_for_is_needed_by_a_command_that_exists() {
    let commands = commands();
    let source = read("xtask/src/doctor.rs");
    let mut needed = source.match_indices("needed_by: \"").map(|(at, mark)| {
        let rest = &source[at + mark.len()..];
        rest.split('"').next().unwrap_or_default()
    });
    let is_known = |word: &str| {
        word == "everything" || word.contains('/') || commands.iter().any(|own| own == word)
    };
    assert!(needed.clone().count() >= 10);
    assert!(needed.all(|list| list.split([',', ' ']).any(is_known)));
}
