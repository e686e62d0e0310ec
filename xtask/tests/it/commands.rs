//! The commands, as they are typed.

use crate::support::{commands, read, xtask};

/// Commands whose help is that of a program which has to be built first.
const OF_A_PROGRAM: [&str; 3] = ["chaos", "models", "simulate"];

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
