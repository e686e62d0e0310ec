//! The options of the driver.

use crate::{chaos, stderr, stdout};

#[test]
fn help_lists_the_options() {
    let help = chaos(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "--minutes",
        "--seconds",
        "--seed",
        "--backend",
        "--topology",
        "--replicas",
        "--candidates",
        "--check",
        "--clock",
    ] {
        assert!(stdout(&help).contains(option), "{option}");
    }
}

#[test]
fn a_mistake_in_the_options_is_exit_code_2_and_says_which() {
    for (arguments, said) in [
        (&["--second", "40"][..], "--second"),
        (&["--seed"], "--seed"),
        (&["--backend", "files"], "files"),
        (&["--replicas", "1"], "--replicas"),
        (&["--seconds", "5"], "25 s"),
    ] {
        let output = chaos(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn once_has_a_help_and_options_of_its_own() {
    let help = chaos(&["once", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "--minutes",
        "--posts",
        "--fsync",
        "--processes",
        "--kills",
        "--stops",
        "--rounds",
        "--part",
        "--seed",
        "--backend",
        "--check",
    ] {
        assert!(stdout(&help).contains(option), "{option}");
    }
    for (arguments, said) in [
        (&["once", "--fsync", "never"][..], "everysec"),
        (&["once", "--part", "all"], "all"),
        (&["once", "--seconds", "3"], "10 s"),
        (&["once", "--clock", "x"], "--clock"),
    ] {
        let output = chaos(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
