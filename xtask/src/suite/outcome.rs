//! One run of one test program.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::libtest::{Verdict, listed, passed_in_all, verdicts};
use crate::process::end_family;

/// How often it is looked whether the program has ended.
const POLL: Duration = Duration::from_millis(50);

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) ignored: usize,
    /// The tests that failed, and those that had not ended when the program did.
    pub(crate) red: Vec<String>,
    pub(crate) taken: Duration,
}

/// How the program ended.
enum End {
    ByItself(ExitStatus),
    Overdue(Duration),
}

// ===== impl Outcome =====

impl Outcome {
    /// Runs the program; what it prints goes to `log`. It is ended once it is overdue.
    pub(crate) fn of(
        mut command: Command,
        log: &Path,
        is_overdue: impl Fn(Duration) -> bool,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(failed)?;
        let child = command
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("cannot start the test program: {error}"))?;
        let begun = Instant::now();
        let end = wait(child, is_overdue)?;
        let output = std::fs::read(log).map_err(failed)?;
        let output = String::from_utf8_lossy(&output);

        let mut outcome = Self {
            taken: begun.elapsed(),
            ..Self::default()
        };
        let verdicts = verdicts(&output);
        for (test, verdict) in &verdicts {
            match verdict {
                Verdict::Passed => outcome.passed += 1,
                Verdict::Ignored => outcome.ignored += 1,
                Verdict::Failed => outcome.red.push(test.clone()),
            }
        }
        let why = match (end, passed_in_all(&output)) {
            (End::Overdue(after), _) => format!("had not ended after {} s", after.as_secs()),
            (End::ByItself(status), None) => {
                format!("had not ended when the program did: {status}")
            }
            (End::ByItself(status), Some(passed)) => {
                outcome.passed = passed;
                if !status.success() && outcome.red.is_empty() {
                    outcome.red.push(format!("(no test by name: {status})"));
                }
                return Ok(outcome);
            }
        };
        let unfinished = tests(&command)?
            .into_iter()
            .filter(|test| !verdicts.contains_key(test))
            .map(|test| format!("{test} ({why})"));
        let before = outcome.red.len();
        outcome.red.extend(unfinished);
        if outcome.red.len() == before {
            outcome.red.push(format!("(the program {why})"));
        }
        Ok(outcome)
    }
}

/// Waits for the end of the program, and ends it when it takes too long.
fn wait(mut child: Child, is_overdue: impl Fn(Duration) -> bool) -> Result<End, String> {
    let failed = |error: std::io::Error| format!("cannot wait for the test program: {error}");
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(End::ByItself(status));
        }
        if is_overdue(start.elapsed()) {
            end_family(child.id());
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Ok(End::Overdue(start.elapsed()));
        }
        thread::sleep(POLL);
    }
}

/// The tests that the program would run with these arguments.
fn tests(command: &Command) -> Result<Vec<String>, String> {
    let mut list = Command::new(command.get_program());
    list.args(command.get_args())
        .arg("--list")
        .stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        list.current_dir(folder);
    }
    let output = list
        .output()
        .map_err(|error| format!("cannot list the tests: {error}"))?;
    Ok(listed(&String::from_utf8_lossy(&output.stdout)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Runs a shell script as if it were a test program, until it prints `overdue`.
    fn outcome(name: &str, script: &str, stdin: Stdio) -> Outcome {
        let folder = std::env::temp_dir().join(format!("xtask-stress-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let log = folder.join(name);
        let list = "case $1 in --list) echo 'a: test'; echo 'b: test';;";
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{list} *) {script};; esac"), "program"])
            .stdin(stdin);
        let outcome = Outcome::of(command, &log, |_| {
            std::fs::read_to_string(&log).is_ok_and(|output| output.contains("overdue"))
        });
        std::fs::remove_file(&log).expect("the log can be removed");
        outcome.expect("the program can be run")
    }

    #[test]
    fn a_red_test_is_told_by_name() {
        let outcome = outcome(
            "red",
            "echo 'test a ... ok'; echo 'test b ... FAILED'; echo 'test result: FAILED. 1 passed; 1 failed'; exit 101",
            Stdio::null(),
        );
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.red, ["b"]);
    }

    #[test]
    fn the_test_in_which_the_program_crashed_is_red() {
        let outcome = outcome(
            "crash",
            "echo 'test a ... ok'; kill -ABRT $$",
            Stdio::null(),
        );
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.red.len(), 1, "{:?}", outcome.red);
        assert!(
            outcome.red[0].starts_with("b (had not ended when the program did: signal: 6"),
            "{:?}",
            outcome.red
        );
    }

    #[test]
    fn the_test_that_hangs_is_red_and_its_processes_are_ended() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
        // The inner shell has the pipe open for as long as it lives, and would write into it.
        let outcome = outcome(
            "hang",
            "echo 'test b ... ok'; echo overdue; sh -c 'sleep 60; echo survived >&0'; true",
            writer.into(),
        );
        assert_eq!(outcome.red.len(), 1, "{:?}", outcome.red);
        assert!(
            outcome.red[0].starts_with("a (had not ended after "),
            "{:?}",
            outcome.red
        );
        let mut left = String::new();
        reader
            .read_to_string(&mut left)
            .expect("the pipe can be read");
        assert_eq!(left, "");
    }

    #[test]
    fn a_program_that_fails_without_a_red_test_is_red() {
        let outcome = outcome(
            "status",
            "echo 'test result: ok. 0 passed; 0 failed'; exit 3",
            Stdio::null(),
        );
        assert_eq!(outcome.red, ["(no test by name: exit status: 3)"]);
    }
}
