//! The programs that the checks need beside cargo: found, else installed, else an exact command to
//! run.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sh;

/// The version of cargo-deny that the checks are written for.
const CARGO_DENY: &str = "0.20.2";

/// Where `redis-server` is, beside `PATH`.
const REDIS_PLACES: &[&str] = &[
    "/usr/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
];

/// The variable that says whether packages may be installed: `always` or `never`.
const INSTALL: &str = "CIVIC_INSTALL";

/// The servers that the lock's tests can run against, the preferred one first.
const REDIS_NAMES: &[&str] = &["redis-server", "valkey-server"];

/// cargo-deny in its pinned version, in the target folder.
#[derive(Debug)]
pub(crate) struct CargoDeny {
    folder: PathBuf,
}

// ===== impl CargoDeny =====

impl CargoDeny {
    pub(crate) fn new() -> Self {
        let folder = sh::target()
            .join("tools")
            .join(format!("cargo-deny-{CARGO_DENY}"));
        Self { folder }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("bin").join("cargo-deny")
    }

    /// What installs it, if it is not there yet.
    ///
    /// It runs for a second, so it is built in the cheapest way and not as it is released, with
    /// link-time optimisation of everything. It gives way to what runs beside it.
    pub(crate) fn installation(&self) -> Option<Command> {
        if self.program().is_file() {
            return None;
        }
        let mut command = match sh::which("nice") {
            Some(nice) => {
                let mut command = Command::new(nice);
                command.args(["-n", "10"]).arg(sh::cargo());
                command
            }
            None => Command::new(sh::cargo()),
        };
        command
            .args(["install", "cargo-deny", "--version", CARGO_DENY, "--locked"])
            .args(["--profile", "dev", "--root"])
            .arg(&self.folder)
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_INCREMENTAL", "0")
            // A build folder of its own, so that a cleaned workspace and an interrupted install do
            // not meet.
            .env("CARGO_TARGET_DIR", self.build_folder())
            .current_dir(sh::root())
            .stdin(Stdio::null());
        Some(command)
    }

    /// Where the output of an installation in the background goes. Makes the folder for it.
    pub(crate) fn log(&self) -> Result<PathBuf, String> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        Ok(self.folder.join("install.log"))
    }

    /// Removes what only the installation needed: hundreds of megabytes.
    pub(crate) fn remove_build_folder(&self) {
        let _ = std::fs::remove_dir_all(self.build_folder());
    }

    fn build_folder(&self) -> PathBuf {
        self.folder.join("build")
    }
}

/// A server for the lock's tests: `CIVIC_REDIS_SERVER`, `PATH`, the usual places, else the system's
/// package manager.
pub(crate) fn redis_server() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("CIVIC_REDIS_SERVER") {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!(
                "CIVIC_REDIS_SERVER names {}, which is not a file",
                path.display()
            ))
        };
    }
    if let Some(found) = find_redis() {
        return Ok(found);
    }
    let Some(install) = package_manager() else {
        return Err(
            "there is no redis-server here and no package manager that this command knows: \
             install redis-server 7 or valkey-server and put it on the PATH"
                .into(),
        );
    };
    let commands = shown(&install);
    Consent::here().ask(&commands)?;
    println!("    redis-server is not here: installing it with {commands}");
    for step in &install {
        let Some((program, args)) = step.split_first() else {
            continue;
        };
        sh::run(
            Command::new(program)
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdin(Stdio::null()),
        )
        .map_err(|error| {
            format!("cannot install redis-server: {error}\nrun this, then try again: {commands}")
        })?;
    }
    find_redis().ok_or_else(|| {
        "the package manager installed redis-server, but no redis-server is found".into()
    })
}

/// The commands that install the server here, as one line.
pub(crate) fn redis_commands() -> Option<String> {
    package_manager().map(|steps| shown(&steps))
}

fn shown(steps: &[Vec<&str>]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| step.join(" ")).collect();
    steps.join(" && ")
}

/// Whether packages of the system may be installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Consent {
    Given,
    Refused,
    /// A person sits there, and can be asked.
    Asked,
}

// ===== impl Consent =====

impl Consent {
    fn here() -> Self {
        let variable = std::env::var(INSTALL).unwrap_or_default();
        Self::of(&variable, std::io::stdin().is_terminal())
    }

    /// Where no one can be asked, a workflow wants to get on with it.
    fn of(variable: &str, is_terminal: bool) -> Self {
        match (variable, is_terminal) {
            ("never", _) => Self::Refused,
            ("always", _) | (_, false) => Self::Given,
            (_, true) => Self::Asked,
        }
    }

    /// Fails unless the commands may be run.
    fn ask(self, commands: &str) -> Result<(), String> {
        let refused = || format!("redis-server is not here. Run this, then try again: {commands}");
        match self {
            Self::Given => Ok(()),
            Self::Refused => Err(refused()),
            Self::Asked => {
                println!("redis-server is not here. Run this now? {commands}");
                print!("[y/N] ");
                let _ = std::io::stdout().flush();
                let mut answer = String::new();
                let _ = std::io::stdin().read_line(&mut answer);
                match answer.trim() {
                    "y" | "Y" | "yes" => Ok(()),
                    _ => Err(refused()),
                }
            }
        }
    }
}

pub(crate) fn find_redis() -> Option<PathBuf> {
    REDIS_NAMES.iter().find_map(|name| {
        sh::which(name).or_else(|| {
            REDIS_PLACES
                .iter()
                .map(|dir| Path::new(dir).join(name))
                .find(|path| path.is_file())
        })
    })
}

/// The commands that install the server here, with `sudo` where this user needs it.
fn package_manager() -> Option<Vec<Vec<&'static str>>> {
    let known: [(&str, Vec<Vec<&'static str>>); 5] = [
        (
            "apt-get",
            vec![
                vec!["apt-get", "update", "-q"],
                vec![
                    "apt-get",
                    "install",
                    "-y",
                    "-q",
                    "--no-install-recommends",
                    "redis-server",
                ],
            ],
        ),
        ("dnf", vec![vec!["dnf", "install", "-y", "redis"]]),
        ("apk", vec![vec!["apk", "add", "redis"]]),
        (
            "pacman",
            vec![vec!["pacman", "-Sy", "--noconfirm", "valkey"]],
        ),
        ("brew", vec![vec!["brew", "install", "redis"]]),
    ];
    let (manager, mut steps) = known
        .into_iter()
        .find(|(program, _)| sh::which(program).is_some())?;
    if manager != "brew" && !is_root() {
        for step in &mut steps {
            // -n: fail at once rather than wait for a password that no one will type.
            step.splice(0..0, ["sudo", "-n"]);
        }
    }
    Some(steps)
}

fn is_root() -> bool {
    sh::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_before_packages_are_installed_and_a_workflow_is_not_held_up() {
        assert_eq!(Consent::of("", true), Consent::Asked);
        assert_eq!(Consent::of("", false), Consent::Given);
        assert_eq!(Consent::of("always", true), Consent::Given);
        assert_eq!(Consent::of("never", false), Consent::Refused);
        let error = Consent::Refused
            .ask("apt-get install a")
            .expect_err("refused");
        assert!(error.ends_with("try again: apt-get install a"), "{error}");
    }
}
