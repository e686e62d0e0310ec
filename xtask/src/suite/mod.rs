//! The test suite: how it is built, and how the programs that were built are found.
//!
//! `ci` runs it once, `stress` many times.

mod libtest;
mod outcome;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use civic_progress::Progress;
use serde_json::Value;

pub(crate) use self::outcome::Outcome;
use crate::sh;

/// The variable that tells the tests which server to start.
const REDIS_SERVER: &str = "CIVIC_REDIS_SERVER";

/// The variable that tells a test program how many tests it runs side by side.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Most tests wait for a server or a process nearly all of their time, so more of them than there
/// are cores run side by side, unless the variable says otherwise.
fn test_threads() -> String {
    std::env::var(TEST_THREADS).unwrap_or_else(|_| {
        let cores = thread::available_parallelism().map_or(2, NonZero::get);
        (8 * cores).to_string()
    })
}

/// A part of the suite that is built with features of its own.
#[derive(Debug)]
pub(crate) struct Part {
    /// What tells its programs from those of another part.
    name: &'static str,
    /// What `cargo test` is told to build.
    build: &'static [&'static str],
    /// The tests to run: all, if there is none.
    filters: &'static [&'static str],
}

/// Every test but the doc tests.
pub(crate) const PARTS: &[Part] = &[WORKSPACE, WITHOUT_FEATURES, BOTH_BACK_ENDS];

/// Every crate with all features.
pub(crate) const WORKSPACE: Part = Part {
    name: "",
    build: &[
        "--workspace",
        "--all-features",
        // Unit tests too, but not the benches: what they say means nothing beside other work.
        "--tests",
    ],
    filters: &[],
};

/// What is refused without a feature can only be seen without it.
pub(crate) const WITHOUT_FEATURES: Part = Part {
    name: "without features",
    build: &["--package", "civic-lock", "--test", "it"],
    filters: &["settings"],
};

/// Feature unification would force both back ends of jsonwebtoken on the whole workspace, so this
/// is a package of its own.
pub(crate) const BOTH_BACK_ENDS: Part = Part {
    name: "both back ends",
    build: &[
        "--manifest-path",
        "crates/civic-auth/both-backends/Cargo.toml",
    ],
    filters: &[],
};

/// `cargo` in the workspace's target folder and with its profile, even for a package outside of the
/// workspace: most of what such a package needs is built there already.
pub(crate) fn sharing_target<const N: usize>(args: [&str; N]) -> Command {
    let mut command = sh::cargo_command(args);
    command
        .env("CARGO_TARGET_DIR", sh::target())
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    command
}

/// How many test programs run side by side. Most tests wait nearly all of their time.
const JOBS: usize = 3;

/// A program that runs longer hangs.
const LONGEST: Duration = Duration::from_secs(900);

/// Builds the parts, and runs each of their programs once, several side by side. What a program
/// printed is shown if a test of it was red.
pub(crate) fn run(parts: &'static [Part], redis: &Path) -> Result<(), String> {
    let mut programs = Vec::new();
    for part in parts {
        programs.extend(part.programs(None)?);
    }
    // The largest ones take longest as a rule: none of them is left to run alone at the end.
    programs.sort_by_key(|program| {
        std::cmp::Reverse(std::fs::metadata(&program.executable).map_or(0, |file| file.len()))
    });
    let logs = sh::target().join("tests");
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let ended = AtomicUsize::new(0);
    let progress = Progress::new();
    let outcomes = side_by_side(&programs, JOBS, |index, program| {
        let log = logs.join(format!("{index}.txt"));
        let outcome = Outcome::of(program.command(redis), &log, |after| after >= LONGEST)
            .map_err(|error| format!("{}: {error}", program.name))?;
        let ended = ended.fetch_add(1, Ordering::Relaxed) + 1;
        progress.clear();
        println!(
            "    {:>6.1} s  {}: {} passed, {} red, {} ignored",
            outcome.taken.as_secs_f64(),
            program.name,
            outcome.passed,
            outcome.red.len(),
            outcome.ignored
        );
        if !outcome.red.is_empty() {
            let printed = std::fs::read(&log).unwrap_or_default();
            println!("{}", String::from_utf8_lossy(&printed));
        }
        progress.show(ended as u64, programs.len() as u64, "test programs");
        Ok::<_, String>(outcome)
    });
    progress.clear();
    let mut red = Vec::new();
    for (program, outcome) in programs.iter().zip(outcomes) {
        let tests = outcome?.red;
        red.extend(tests.iter().map(|test| format!("{}  {test}", program.name)));
    }
    match red.is_empty() {
        true => Ok(()),
        false => Err(format!("{} red:\n    {}", red.len(), red.join("\n    "))),
    }
}

/// Does `work` for each program, at most `jobs` of them at a time; the answers are in the programs'
/// order.
pub(crate) fn side_by_side<P: Sync, R: Send>(
    programs: &[P],
    jobs: usize,
    work: impl Fn(usize, &P) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(programs.len()));
    thread::scope(|scope| {
        for _ in 0..jobs.min(programs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(program) = programs.get(index) else {
                        break;
                    };
                    let answer = work(index, program);
                    answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A test program that was built.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Package, target, and the part's name.
    pub(crate) name: String,
    executable: PathBuf,
    /// The folder of the package: where cargo starts its tests.
    folder: PathBuf,
    package: String,
    version: String,
    filters: &'static [&'static str],
}

// ===== impl Part =====

impl Part {
    /// `cargo test` for it.
    fn build(&self, package: Option<&str>) -> Command {
        let mut command = sharing_target(["test", "--locked"]);
        for arg in self.build {
            match package {
                Some(package) if *arg == "--workspace" => command.args(["--package", package]),
                _ => command.arg(arg),
            };
        }
        command
    }

    /// Builds it, or one package of the workspace, and returns the test programs.
    pub(crate) fn programs(&'static self, package: Option<&str>) -> Result<Vec<Program>, String> {
        let programs: Vec<Program> = self
            .messages(package)?
            .iter()
            .filter_map(|message| self.program(message))
            .collect();
        if programs.is_empty() {
            return Err(format!(
                "`cargo test {}` built no test program",
                self.build.join(" ")
            ));
        }
        Ok(programs)
    }

    /// Builds it and returns a program that its integration tests start.
    pub(crate) fn executable(&self, name: &str) -> Result<PathBuf, String> {
        self.messages(None)?
            .iter()
            .filter(|message| message["profile"]["test"] == false)
            .filter(|message| message["target"]["name"] == name)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .ok_or_else(|| format!("no integration test starts `{name}`: cargo did not build it"))
    }

    /// Builds it and returns what cargo tells of it.
    fn messages(&self, package: Option<&str>) -> Result<Vec<Value>, String> {
        let mut command = self.build(package);
        command
            .args(["--no-run", "--message-format=json-render-diagnostics"])
            .stderr(Stdio::inherit());
        Ok(sh::output(&mut command)?
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// The test program that a message of cargo tells of.
    fn program(&self, message: &Value) -> Option<Program> {
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let executable = PathBuf::from(message["executable"].as_str()?);
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
        let (package, version) = package(message["package_id"].as_str()?)?;
        let target = message["target"]["name"].as_str()?;
        let kind = message["target"]["kind"][0].as_str()?;
        let mut name = match kind {
            "test" => format!("{package}::{target}"),
            "lib" => package.clone(),
            kind => format!("{package}::{target} ({kind})"),
        };
        if !self.name.is_empty() {
            name = format!("{name}, {}", self.name);
        }
        Some(Program {
            name,
            executable,
            folder: folder.to_owned(),
            package,
            version,
            filters: self.filters,
        })
    }
}

/// Name and version in a package id: `path+file:///a/name#0.1.0` or `path+file:///a/b#name@0.1.0`.
fn package(id: &str) -> Option<(String, String)> {
    let (url, fragment) = id.rsplit_once('#')?;
    let (name, version) = match fragment.split_once('@') {
        Some((name, version)) => (name, version),
        None => (url.rsplit('/').next()?, fragment),
    };
    Some((name.to_owned(), version.to_owned()))
}

// ===== impl Program =====

impl Program {
    /// The program, to be started as `cargo test` would.
    pub(crate) fn command(&self, redis: &Path) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(self.filters)
            .current_dir(&self.folder)
            .env("CARGO", sh::cargo())
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("CARGO_MANIFEST_PATH", self.folder.join("Cargo.toml"))
            .env("CARGO_PKG_NAME", &self.package)
            .env("CARGO_PKG_VERSION", &self.version)
            .env(REDIS_SERVER, redis)
            .env(TEST_THREADS, test_threads())
            .stdin(Stdio::null());
        command
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_test_program_is_found_in_what_cargo_prints() {
        let message = |kind: &str, test: bool| {
            json!({
                "reason": "compiler-artifact",
                "package_id": "path+file:///w/crates/civic-lock#0.1.0",
                "manifest_path": "/w/crates/civic-lock/Cargo.toml",
                "target": {"name": "it", "kind": [kind]},
                "profile": {"test": test},
                "executable": "/w/target/debug/deps/it-1",
            })
        };
        let name = |part: &'static Part, kind, test| {
            part.program(&message(kind, test))
                .map(|program| program.name)
        };
        assert_eq!(
            name(&PARTS[0], "test", true).as_deref(),
            Some("civic-lock::it")
        );
        assert_eq!(name(&PARTS[0], "lib", true).as_deref(), Some("civic-lock"));
        assert_eq!(
            name(&PARTS[0], "bin", true).as_deref(),
            Some("civic-lock::it (bin)")
        );
        assert_eq!(
            name(&PARTS[1], "test", true).as_deref(),
            Some("civic-lock::it, without features")
        );
        assert_eq!(name(&PARTS[0], "bin", false), None, "a plain binary");

        let program = PARTS[1].program(&message("test", true)).expect("it is one");
        let command = program.command(Path::new("/usr/bin/redis-server"));
        assert_eq!(command.get_program(), "/w/target/debug/deps/it-1");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["settings"]);
        assert_eq!(
            command.get_current_dir(),
            Some(Path::new("/w/crates/civic-lock"))
        );
    }

    #[test]
    fn both_forms_of_a_package_id_are_read() {
        for (id, name) in [
            ("path+file:///w/crates/civic-lock#0.1.0", "civic-lock"),
            ("path+file:///w/docs#civic-docs@0.1.0", "civic-docs"),
        ] {
            assert_eq!(
                package(id),
                Some((name.to_owned(), "0.1.0".to_owned())),
                "{id}"
            );
        }
    }

    #[test]
    fn programs_run_side_by_side_and_answer_in_their_order() {
        // Neither of the first two returns before both have begun.
        let both = Barrier::new(2);
        let answers = side_by_side(&["a", "b", "c"], 2, |index, program| {
            if index < 2 {
                both.wait();
            }
            format!("{index}{program}")
        });
        assert_eq!(answers, ["0a", "1b", "2c"]);
    }
}
