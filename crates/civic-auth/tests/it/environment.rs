//! The secret from a real environment, which a test cannot change in its own process.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use civic_auth::Secret;

const CHILD: &str = "CIVIC_AUTH_TEST_CHILD";
const VARIABLE: &str = "JWT_SECRET";

/// Runs `child_reads_the_secret` in a process whose variable has this value, and returns what it
/// prints.
fn child(value: Option<&OsStr>) -> String {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args([
            "--exact",
            "environment::child_reads_the_secret",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .env_remove(VARIABLE);
    if let Some(value) = value {
        command.env(VARIABLE, value);
    }
    let output = command.output().expect("the child runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn child_reads_the_secret() {
    if env::var_os(CHILD).is_none() {
        // The other tests start the child. Here, no variable of this name is set.
        assert!(Secret::from_env("CIVIC_AUTH_NO_SUCH_VARIABLE").is_err());
        return;
    }
    match Secret::from_env(VARIABLE) {
        Ok(secret) => println!("result=ok {secret:?}"),
        Err(error) => {
            println!("result={:?} {error}", error.kind());
            // What a `main` that returns the error prints.
            assert_eq!(format!("{error:?}"), error.to_string());
        }
    }
}

#[test]
fn what_a_main_prints_names_the_variable_and_the_remedy() {
    for variable in ["JWT_SECRET", "ROLL_SECRET"] {
        // No variable of this name is set: the child sets its own.
        let variable = format!("CIVIC_AUTH_NO_{variable}");
        let error: Box<dyn std::error::Error> =
            Secret::from_env(&variable).expect_err("not set").into();
        assert_eq!(
            format!("Error: {error:?}"),
            format!(
                "Error: {variable} is not set. Set it to the same value on every service, for \
                 example: export {variable}=$(openssl rand -hex 32)"
            )
        );
    }
}

#[test]
fn start_up_refuses_a_secret_that_is_missing_empty_short_or_pem() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----";
    let rows = [
        (
            None,
            "result=MissingSecret JWT_SECRET is not set. Set it to the same value on every service, \
             for example: export JWT_SECRET=$(openssl rand -hex 32)",
        ),
        (Some(""), "result=EmptySecret JWT_SECRET is empty"),
        (
            Some("0123456789abcdef0123456789abcde"),
            "result=ShortSecret JWT_SECRET is shorter than 32 bytes",
        ),
        (
            Some(pem),
            "result=PemSecret JWT_SECRET looks like a PEM key",
        ),
        (
            Some("0123456789abcdef0123456789abcdef"),
            "result=ok Secret([redacted])",
        ),
    ];
    for (value, expected) in rows {
        let printed = child(value.map(OsStr::new));
        assert!(printed.contains(expected), "{value:?}: {printed}");
    }
}

#[cfg(unix)]
#[test]
fn start_up_refuses_a_secret_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;

    let value = [&[b'k'; 40][..], &[0xff]].concat();
    let printed = child(Some(OsStr::from_bytes(&value)));
    assert!(
        printed.contains("result=NotUnicode JWT_SECRET is not UTF-8"),
        "{printed}"
    );
    assert!(!printed.contains("kkkk"), "{printed}");
}
