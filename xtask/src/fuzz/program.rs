//! The program that libFuzzer drives: how it is built, and one run of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::list::{FOLDER, Row};
use crate::sh;

const NAME: &str = "civic-fuzz-target";

/// How many bytes an input has at most.
const MAX_LENGTH: usize = 4096;

/// What makes the compiler count which ways through the code an input takes, for libFuzzer.
const INSTRUMENTATION: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// What one search has found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Searched {
    pub(super) executions: u64,
    /// How many places of the code were reached.
    pub(super) coverage: u64,
    /// The bytes that break a promise, and what was said of them.
    pub(super) broken: Option<String>,
}

/// The program, built.
pub(super) struct Program {
    path: PathBuf,
}

// ===== impl Program =====

impl Program {
    /// Builds the program.
    pub(super) fn build() -> Result<Self, String> {
        if ["c++", "g++", "clang++"]
            .iter()
            .all(|name| sh::which(name).is_none())
        {
            return Err(
                "libFuzzer needs a C++ compiler, and there is none on the PATH: install g++ or \
                 clang, for example with `apt-get install g++`. To run the targets over their \
                 seeds only, use `cargo xtask fuzz --replay`"
                    .into(),
            );
        }
        let host = host()?;
        let target = sh::target().join("fuzz");
        let manifest = format!("{FOLDER}/fuzz/Cargo.toml");
        sh::run(
            // Not locked: its lock file follows those of the crates that it attacks.
            sh::cargo_command(["build", "--manifest-path", &manifest])
                // With a target, the flags are not those of build scripts and macros.
                .args(["--target", &host])
                .env("CARGO_TARGET_DIR", &target)
                .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\u{1f}")),
        )?;
        Ok(Self {
            path: target.join(host).join("debug").join(NAME),
        })
    }

    /// Searches one target.
    pub(super) fn search(&self, row: &Row, time: Duration) -> Result<Searched, String> {
        let folder = sh::root().join(FOLDER);
        let corpus = folder.join("corpus").join(&row.name);
        let artifacts = folder.join("artifacts").join(&row.name);
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let log = Self::log(row);
        let mut command = Command::new(&self.path);
        command
            .env("CIVIC_FUZZ_TARGET", &row.name)
            .env("RUST_BACKTRACE", "0")
            .arg(corpus)
            .arg(folder.join("seeds").join(&row.name))
            .arg(format!("-max_total_time={}", time.as_secs()))
            .arg(format!("-max_len={MAX_LENGTH}"))
            .arg("-timeout=10")
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/", artifacts.display()));
        if let Some(dictionary) = &row.dictionary {
            let path = folder.join("dictionaries").join(dictionary);
            command.arg(format!("-dict={}", path.display()));
        }
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .status()
            .map_err(|error| format!("cannot start {}: {error}", self.path.display()))?;
        let text = fs::read(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut searched = Searched::read(&String::from_utf8_lossy(&text));
        if !status.success() && searched.broken.is_none() {
            searched.broken = Some(format!("it ended with {status}"));
        }
        Ok(searched)
    }

    /// Where the output of a search goes.
    pub(super) fn log(row: &Row) -> PathBuf {
        sh::target().join("fuzz").join(format!("{}.log", row.name))
    }
}

// ===== impl Searched =====

impl Searched {
    /// Reads what libFuzzer prints.
    fn read(log: &str) -> Self {
        let number = |text: &str| -> Option<u64> {
            let digits = text.trim_start();
            let end = digits.find(|digit: char| !digit.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse().ok()
        };
        let last = |mark: &str| {
            let mut lines = log.lines().rev();
            lines.find_map(|line| number(line.split_once(mark)?.1))
        };
        // "#1234" begins each line about the progress, and is all there is when it was cut short.
        let begun = log
            .lines()
            .rev()
            .find_map(|line| number(line.strip_prefix('#')?));
        let artifact = log
            .lines()
            .find_map(|line| line.split_once("Test unit written to "))
            .map(|(_, path)| path);
        let panic = log
            .lines()
            .skip_while(|line| !line.contains("panicked at"))
            .take(4)
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            executions: last("stat::number_of_executed_units:")
                .or(begun)
                .unwrap_or_default(),
            coverage: last(" cov:").unwrap_or_default(),
            broken: artifact.map(|path| format!("{}\n{panic}", Path::new(path).display())),
        }
    }
}

/// The name of this machine, as the compiler says it.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = sh::output(Command::new(rustc).arg("-vV").current_dir(sh::root()))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "`rustc -vV` does not say which machine this is".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_searched_is_read_from_the_log() {
        let log = "\
INFO: Running with entropic power schedule (0xFF, 100).
#2\tINITED cov: 300 ft: 301 corp: 1/1b exec/s: 0 rss: 40Mb
#4096\tpulse  cov: 1204 ft: 2000 corp: 80/1Kb lim: 40 exec/s: 2048 rss: 60Mb
#9999\tDONE   cov: 1234 ft: 2500 corp: 90/2Kb lim: 60 exec/s: 2000 rss: 60Mb
Done 9999 runs in 5 second(s)
stat::number_of_executed_units: 9999
stat::average_exec_per_sec:     1999
";
        let searched = Searched {
            executions: 9999,
            coverage: 1234,
            broken: None,
        };
        assert_eq!(Searched::read(log), searched);
    }

    #[test]
    fn bytes_that_break_a_promise_are_named_with_what_was_said_of_them() {
        let log = "\
#4096\tpulse  cov: 1204 ft: 2000 corp: 80/1Kb lim: 40 exec/s: 2048 rss: 60Mb

thread '<unnamed>' panicked at src/target/token.rs:70:5:
assertion `left == right` failed
  left: true
 right: false
==12== ERROR: libFuzzer: deadly signal
artifact_prefix='/a/'; Test unit written to /a/crash-1234
";
        let searched = Searched::read(log);
        assert_eq!((searched.executions, searched.coverage), (4096, 1204));
        let broken = searched.broken.expect("it says so");
        assert!(broken.starts_with("/a/crash-1234\n"), "{broken}");
        assert!(broken.contains("src/target/token.rs:70:5") && broken.contains("right: false"));
    }
}
