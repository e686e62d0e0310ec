//! A program that is built while the first steps run.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use crate::process::end_family;

/// A command that runs beside the steps. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Background {
    name: &'static str,
    child: Child,
    /// Where its output goes.
    log: PathBuf,
    ended: bool,
}

// ===== impl Background =====

impl Background {
    /// Starts the command; what it prints goes to `log`.
    pub(super) fn start(
        name: &'static str,
        command: &mut Command,
        log: PathBuf,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", log.display());
        let file = File::create(&log).map_err(failed)?;
        let child = command
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("{name} cannot be started: {error}"))?;
        println!(
            "==> {name}, in the background; its output goes to {}",
            log.display()
        );
        Ok(Self {
            name,
            child,
            log,
            ended: false,
        })
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> Result<(), String> {
        let start = Instant::now();
        let status = self
            .child
            .wait()
            .map_err(|error| format!("{}: {error}", self.name))?;
        self.ended = true;
        println!(
            "    {}: waited {:.1} s for its end",
            self.name,
            start.elapsed().as_secs_f64()
        );
        if status.success() {
            return Ok(());
        }
        let output = std::fs::read_to_string(&self.log).unwrap_or_default();
        Err(format!("{} failed: {status}\n{output}", self.name))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.ended {
            end_family(self.child.id());
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn background(script: &str, stdin: std::process::Stdio) -> (Background, PathBuf) {
        let log = std::env::temp_dir().join(format!(
            "xtask-background-{}-{}",
            std::process::id(),
            script.len()
        ));
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(stdin);
        let background = Background::start("a test", &mut command, log.clone());
        (background.expect("sh is there"), log)
    }

    #[test]
    fn its_failure_is_told_with_what_it_printed() {
        let (background, log) = background("echo because; exit 3", std::process::Stdio::null());
        let error = background.wait().expect_err("it failed");
        std::fs::remove_file(log).expect("the log can be removed");
        assert_eq!(error, "a test failed: exit status: 3\nbecause\n");
    }

    #[test]
    fn dropping_it_ends_it_and_what_it_started() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
        let script = "sh -c 'sleep 60; echo survived >&0'; true";
        let (background, log) = background(script, writer.into());
        drop(background);
        std::fs::remove_file(log).expect("the log can be removed");
        let mut left = String::new();
        reader.read_to_string(&mut left).expect("it can be read");
        assert_eq!(left, "");
    }
}
