//! What the tool says of itself.

use crate::support::{civic, run};

#[test]
fn the_root_help_lists_the_commands() {
    let help = run(&mut civic(&["--help"]));
    assert_eq!(help.code, Some(0));
    for command in ["call", "job", "lock", "once", "token", "completions"] {
        let listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(
            help.stdout.lines().any(listed),
            "{command}: {}",
            help.stdout
        );
    }
}

#[test]
fn an_unknown_command_is_exit_code_2_and_nothing_on_stdout() {
    for arguments in [
        &["lick"][..],
        &[],
        &["job"],
        &["lock"],
        &["token"],
        &["lock", "hold"],
        &["lock", "break", "name"],
        &["job", "run"],
        &["once"],
        &["once", "show"],
        &["once", "resolve", "key", "--holder", "a", "--attempt", "1"],
        &["once", "resolve", "key", "--holder", "a", "--done"],
        &["once", "resolve", "key", "--attempt", "1", "--done"],
        &[
            "once",
            "resolve",
            "key",
            "--holder",
            "a",
            "--attempt",
            "1",
            "--done",
            "--free",
        ],
        &["completions"],
    ] {
        let finished = run(&mut civic(arguments));
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(finished.stderr.contains("Usage:"), "{}", finished.stderr);
    }
}

#[test]
fn the_completions_of_each_shell_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let finished = run(&mut civic(&["completions", shell]));
        assert_eq!(finished.code, Some(0), "{shell}");
        for command in ["job", "history", "break", "once", "resolve"] {
            assert!(finished.stdout.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn a_wrong_ttl_or_name_of_lock_hold_is_exit_code_2_and_nothing_is_tried() {
    for (name, ttl, words) in [
        ("x", "0.4", "0.5 to 604800"),
        ("x", "0", "0.5 to 604800"),
        ("x", "604801", "0.5 to 604800"),
        ("x", "-1", "unexpected argument"),
        ("x", "NaN", "a number of seconds"),
        ("x", "soon", "a number of seconds"),
        ("", "5", "empty"),
        ("a{b", "5", "{"),
        ("a\nb", "5", "control character"),
    ] {
        // A store that would be asked does not exist, and says so with another exit code.
        let mut command = civic(&["lock", "hold", name, "--ttl", ttl, "--hold", "1"]);
        let finished = run(command.env("REDIS_URL", "redis://127.0.0.1:1"));
        assert_eq!(
            finished.code,
            Some(2),
            "{name:?} {ttl}: {}",
            finished.stderr
        );
        assert_eq!(finished.stdout, "", "{name:?} {ttl}");
        assert!(
            finished.stderr.contains(words),
            "{name:?} {ttl}: {}",
            finished.stderr
        );
    }
}

#[test]
fn a_wrong_key_state_or_number_of_once_is_exit_code_2_and_nothing_is_tried() {
    for (arguments, words) in [
        (&["show", ""][..], "empty"),
        (&["show", "a{b"], "{"),
        (&["ls", "--after", ""], "empty"),
        (&["ls", "--limit", "0"], "0"),
        (&["ls", "--state", "lost"], "in-doubt"),
        (
            &["resolve", "k", "--holder", "h", "--attempt", "0", "--done"],
            "0",
        ),
        (
            &["resolve", "", "--holder", "h", "--attempt", "1", "--done"],
            "empty",
        ),
    ] {
        // A store that would be asked does not exist, and says so with another exit code.
        let mut command = civic(&[&["once"][..], arguments].concat());
        let finished = run(command.env("REDIS_URL", "redis://127.0.0.1:1"));
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(
            finished.stderr.contains(words),
            "{arguments:?}: {}",
            finished.stderr
        );
    }
}
