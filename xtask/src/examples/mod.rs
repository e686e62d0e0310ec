//! Every example of the workspace runs, ends by itself, and prints what its header promises.
//!
//! Nothing is listed here: an example is what cargo calls one. Its header has the command that runs
//! it and, after it, what that prints. An example without them is refused, and so is a library
//! without an example.

mod header;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use self::header::Header;
use crate::metadata::Package;
use crate::process::end_family;
use crate::rules::PUBLISHED;
use crate::sh::{self, cargo_command};

/// An example that has not ended by then does not end by itself.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often it is looked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// What the examples must not find in the environment: they need none of it, and each would change
/// what they print.
const UNSET: &[&str] = &[
    "CIVIC_LOCK_NAMESPACE",
    "JWT_ACCESS_SECRET",
    "JWT_SECRET",
    "KUBERNETES_SERVICE_HOST",
    "NODE_ENV",
    "REDIS_URL",
    "RUST_LOG",
];

/// Builds and runs every example.
pub(crate) fn check() -> Result<(), String> {
    let packages = Package::all()?;
    for (name, _) in PUBLISHED {
        let package = packages.iter().find(|package| package.name() == *name);
        if package.is_some_and(|package| package.is_library() && package.examples().is_empty()) {
            return Err(format!("{name} has no example: add one to its examples/"));
        }
    }
    let mut broken = Vec::new();
    let mut headers = BTreeMap::new();
    for package in &packages {
        for example in package.examples() {
            let path = example.source.clone();
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let command = command(package.name(), &example.name, &example.features);
            match Header::read(&text, &command) {
                Ok(header) => {
                    headers.insert(
                        path,
                        (format!("{}/{}", package.name(), example.name), header),
                    );
                }
                Err(error) => broken.push(format!("{}: {error}", path.display())),
            }
        }
    }
    if !broken.is_empty() {
        return Err(broken.join("\n"));
    }

    let executables = build()?;
    let folder = sh::target().join("examples-locks");
    for (source, (name, header)) in &headers {
        let executable = executables
            .get(source)
            .ok_or_else(|| format!("cargo did not build {}", source.display()))?;
        // Locks and records of an earlier run would change what this one prints.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        }
        let begun = Instant::now();
        match run(executable, &folder).and_then(|printed| header.compare(&printed)) {
            Ok(()) => println!("    {name}: {:.1} s", begun.elapsed().as_secs_f64()),
            Err(error) => broken.push(format!("{name}: {error}")),
        }
    }
    if broken.is_empty() {
        println!("    {} examples printed what they promise", headers.len());
        Ok(())
    } else {
        Err(broken.join("\n"))
    }
}

/// The command that a reader pastes to run an example.
fn command(package: &str, example: &str, features: &[&str]) -> String {
    let mut command = format!("cargo run --package {package}");
    if !features.is_empty() {
        command += &format!(" --features {}", features.join(","));
    }
    command + &format!(" --example {example}")
}

/// The executable of each example, by its source.
fn build() -> Result<BTreeMap<PathBuf, PathBuf>, String> {
    let mut command = cargo_command([
        "build",
        "--locked",
        "--workspace",
        "--all-features",
        "--examples",
        "--message-format=json-render-diagnostics",
    ]);
    let messages = sh::output(command.stderr(Stdio::inherit()))?;
    Ok(messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["kind"][0] == "example")
        .filter_map(|message| {
            let source = message["target"]["src_path"].as_str()?;
            let executable = message["executable"].as_str()?;
            Some((PathBuf::from(source), PathBuf::from(executable)))
        })
        .collect())
}

/// Runs an example to its end, and returns what it prints.
fn run(executable: &Path, locks: &Path) -> Result<String, String> {
    let mut command = Command::new(executable);
    for variable in UNSET {
        command.env_remove(variable);
    }
    let mut child = command
        // The store is this machine's, asked for, so that there is no warning.
        .env("CIVIC_LOCK_STORE", "host")
        .env("CIVIC_LOCK_DIR", locks)
        .current_dir(sh::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let ended = wait(&mut child);
    let (stdout, stderr) = (join(stdout)?, join(stderr)?);
    let failed = match ended? {
        Some(status) if status.success() => return Ok(stdout),
        Some(status) => format!("ended with {status}"),
        None => format!("had not ended after {} s", TIMEOUT.as_secs()),
    };
    Err(format!("{failed}\n{stdout}{stderr}"))
}

/// Waits for the end, and ends what is overdue.
fn wait(child: &mut Child) -> Result<Option<std::process::ExitStatus>, String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        if begun.elapsed() > TIMEOUT {
            end_family(child.id());
            child.wait().map_err(|error| error.to_string())?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<std::io::Result<String>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn join(reader: thread::JoinHandle<std::io::Result<String>>) -> Result<String, String> {
    reader
        .join()
        .map_err(|_| "its output could not be read".to_owned())?
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_what_the_example_needs() {
        assert_eq!(
            command("civic-lock", "migration", &[]),
            "cargo run --package civic-lock --example migration"
        );
        assert_eq!(
            command("civic-envelope", "axum_app", &["axum", "layer"]),
            "cargo run --package civic-envelope --features axum,layer --example axum_app"
        );
    }

    #[test]
    fn an_example_that_fails_is_told_with_what_it_printed() {
        let locks = std::env::temp_dir();
        let program = |name| sh::which(name).expect("every system has it");
        let error = run(&program("false"), &locks).expect_err("it fails");
        assert!(error.starts_with("ended with exit status: 1"), "{error}");
        assert_eq!(run(&program("true"), &locks), Ok(String::new()));
    }
}
