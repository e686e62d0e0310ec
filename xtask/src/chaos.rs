//! `cargo xtask chaos`: builds the programs under test and the driver, and becomes the driver.
//!
//! What it does is in civic-chaos; a program of its own, so that those who run another command do
//! not wait for its dependencies.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Command as Xtask, Help};
use crate::programs::Programs;
use crate::{sh, tools};

pub(crate) const COMMAND: Xtask = Xtask {
    name: "chaos",
    summary: "inject random faults into the lock's replicas and server, check the history",
    help: Help::OfProgram,
    run,
};

/// Where histories go, one folder per seed.
const OUTPUT: &str = "chaos";

/// The source of the library that gives a server a wall clock of its own.
const CLOCK: &str = "crates/civic-chaos/clock/shifted.c";

/// Builds the version before this one too, whose replicas are upgraded then.
const UPGRADE: &str = "--upgrade";
/// The commit of that version.
const LAST: &str = "ef1ab260527f1da62502240e0d865e3e7e4898da";

/// The driver's other command: one effect per key.
const ONCE: &str = "once";

/// A file system in memory, where there is one.
const MEMORY: &str = "/dev/shm";

fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = prepare(arguments)?;
    // In place of this process: Ctrl-C then meets the driver alone, which stops what it started.
    Err(format!("cannot start chaos: {}", command.exec()))
}

/// The driver, ready to start.
pub(crate) fn prepare(arguments: &[String]) -> Result<Command, String> {
    if let [once, rest @ ..] = arguments
        && once == ONCE
    {
        return prepare_once(rest);
    }
    let redis = tools::redis_server()?;
    let (upgrade, arguments): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| *argument == UPGRADE);
    let last = match upgrade[..] {
        [] => None,
        _ => Some(last_version()?),
    };
    let programs = Programs::build()?;
    let mut command = Command::new(programs.chaos);
    command
        .arg("--civic")
        .arg(programs.civic)
        .arg("--fleet")
        .arg(programs.fleet)
        .arg("--output")
        .arg(sh::target().join(OUTPUT))
        .args(arguments)
        .env("CIVIC_REDIS_SERVER", redis);
    if let Some(last) = last {
        command.arg("--last").arg(last);
    }
    match clock() {
        Ok(library) => {
            command.arg("--clock").arg(library);
        }
        // The driver says in its report that it did not inject them.
        Err(reason) => println!("    no server gets a wrong clock: {reason}"),
    }
    // The stores are put to the test, not the disk and what else it is busy with.
    if Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    Ok(command)
}

/// The driver of one effect per key, ready to start. Its processes are the driver itself.
fn prepare_once(arguments: &[String]) -> Result<Command, String> {
    let redis = tools::redis_server()?;
    let mut command = Command::new(Programs::build()?.chaos);
    command
        .arg(ONCE)
        .arg("--output")
        .arg(sh::target().join(OUTPUT))
        .args(arguments)
        .env("CIVIC_REDIS_SERVER", redis);
    if Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    Ok(command)
}

/// Builds the programs of the version before this one, once. Returns the folder that they are in.
fn last_version() -> Result<PathBuf, String> {
    let folder = sh::target().join("upgrade").join(LAST);
    let names = ["civic", "civic-fleet"];
    if names.iter().all(|name| folder.join(name).is_file()) {
        return Ok(folder);
    }
    let source = folder.join("source");
    std::fs::create_dir_all(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    let archive = source.join("source.tar");
    sh::run(
        Command::new("git")
            .args(["archive", "--format=tar", "--output"])
            .arg(&archive)
            .arg(LAST)
            .current_dir(sh::root()),
    )
    .map_err(|error| format!("{error}. It needs the history: run git fetch --unshallow"))?;
    sh::run(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(&source),
    )?;
    // In a folder of its own: cargo would take what is built of one version for that of the other.
    let build = folder.join("build");
    sh::run(
        Command::new(sh::cargo())
            .args(["build", "--locked", "--bins"])
            .args(["--package", "civic-cli", "--package", "civic-fleet"])
            .arg("--target-dir")
            .arg(&build)
            .current_dir(&source),
    )?;
    for name in names {
        let (from, to) = (build.join("debug").join(name), folder.join(name));
        std::fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    for rest in [build, source] {
        std::fs::remove_dir_all(&rest).map_err(|error| format!("{}: {error}", rest.display()))?;
    }
    Ok(folder)
}

/// Builds the library that gives a server a wall clock of its own.
///
/// libfaketime is no way to have one: Debian's redis-server is linked with jemalloc, which reads
/// the clock before that library has found the function that it replaces.
fn clock() -> Result<PathBuf, String> {
    if !cfg!(target_os = "linux") {
        return Err("only Linux lets a library replace the clock of a program".into());
    }
    let folder = sh::target().join("tools");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let library = folder.join("shifted-clock.so");
    sh::run(
        Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(sh::root().join(CLOCK)),
    )
    .map_err(|error| {
        format!("{error}. It needs a C compiler; run: sudo apt-get install -y gcc libc6-dev")
    })?;
    Ok(library)
}
