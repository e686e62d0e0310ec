//! What the tool says of itself.

use crate::support::{civic, run};

#[test]
fn the_root_help_lists_the_commands() {
    let help = run(&mut civic(&["--help"]));
    assert_eq!(help.code, Some(0));
    for command in ["call", "lock", "token"] {
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
    for arguments in [&["lick"][..], &[], &["lock"], &["token"], &["lock", "hold"]] {
        let finished = run(&mut civic(arguments));
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(finished.stderr.contains("Usage:"), "{}", finished.stderr);
    }
}
