//! `cargo xtask doctor`: what is missing here for which command, and the line that brings it.
//!
//! It installs nothing and builds nothing.

use std::process::{Command as Process, Stdio};

use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::interop::node;
use crate::postgres::server;
use crate::tools::{self, CargoDeny};
use crate::{installers, sh};

pub(crate) const COMMAND: Command = Command {
    name: "doctor",
    summary: "say what is missing here for which command, and what brings it",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask doctor

Looks for the programs that the commands need, and prints for each where it is, or which commands
lack it and the line that brings it. Installs nothing. The exit code is 1 if something is missing
that `cargo xtask ci` needs and does not bring by itself.
";

/// A program that a command needs.
struct Tool {
    name: &'static str,
    /// The commands that need it.
    needed_by: &'static str,
    need: Need,
    /// Where it is, or which version it is.
    find: fn() -> Option<String>,
    /// The line that brings it.
    bring: fn() -> String,
}

/// What is lost without a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    /// Without it, `ci` fails.
    Ci,
    /// Without it, `ci` brings it, or says what it did not check.
    Other,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "C compiler",
        needed_by: "everything",
        need: Need::Ci,
        find: || on_path(&["cc", "gcc", "clang"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y gcc libc6-dev"),
                ("dnf", "dnf install -y gcc"),
                ("apk", "apk add gcc musl-dev"),
                ("pacman", "pacman -S --noconfirm gcc"),
                ("brew", "xcode-select --install"),
            ])
        },
    },
    Tool {
        name: "clippy",
        needed_by: "ci, msrv",
        need: Need::Ci,
        find: || version(sh::cargo_command(["clippy", "--version"])),
        bring: || "rustup component add clippy".to_owned(),
    },
    Tool {
        name: "rustfmt",
        needed_by: "ci",
        need: Need::Ci,
        find: || version(sh::cargo_command(["fmt", "--version"])),
        bring: || "rustup component add rustfmt".to_owned(),
    },
    Tool {
        name: "redis-server",
        needed_by: "ci, stress, chaos, bench, interop",
        need: Need::Other,
        find: || tools::find_redis().map(|path| path.display().to_string()),
        bring: || {
            tools::redis_commands().unwrap_or_else(|| "install redis-server 7 or later".to_owned())
        },
    },
    Tool {
        name: "cargo-deny",
        needed_by: "ci",
        need: Need::Other,
        find: || {
            let program = CargoDeny::new().program();
            program.is_file().then(|| program.display().to_string())
        },
        bring: || "cargo xtask ci dependencies    # builds it inside target/tools".to_owned(),
    },
    Tool {
        name: "git",
        needed_by: "release, chaos --upgrade",
        need: Need::Other,
        find: || on_path(&["git"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y git"),
                ("dnf", "dnf install -y git"),
                ("apk", "apk add git"),
                ("pacman", "pacman -S --noconfirm git"),
                ("brew", "brew install git"),
            ])
        },
    },
    Tool {
        name: "tar",
        needed_by: "ci, release",
        need: Need::Ci,
        find: || on_path(&["tar"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y tar"),
                ("dnf", "dnf install -y tar"),
                ("apk", "apk add tar"),
                ("pacman", "pacman -S --noconfirm tar"),
            ])
        },
    },
    Tool {
        name: "Node with npm",
        needed_by: "interop, and its step of ci",
        need: Need::Other,
        find: || node::find().ok(),
        bring: || package(&node::INSTALLERS),
    },
    Tool {
        name: "PostgreSQL",
        needed_by: "postgres",
        need: Need::Other,
        find: || {
            server::programs()
                .ok()
                .map(|path| path.display().to_string())
        },
        bring: || package(&server::INSTALLERS),
    },
    Tool {
        name: "C++ compiler",
        needed_by: "fuzz",
        need: Need::Other,
        find: || on_path(&["c++", "g++", "clang++"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y g++"),
                ("dnf", "dnf install -y gcc-c++"),
                ("apk", "apk add g++"),
                ("pacman", "pacman -S --noconfirm gcc"),
                ("brew", "xcode-select --install"),
            ])
        },
    },
    Tool {
        name: "Miri",
        needed_by: "fuzz --miri",
        need: Need::Other,
        find: || {
            let mut command = Process::new("rustup");
            command.args(["run", "nightly", "cargo-miri", "miri", "--version"]);
            version(command)
        },
        bring: || {
            "rustup toolchain install nightly --component miri --component rust-src".to_owned()
        },
    },
    Tool {
        name: "valgrind",
        needed_by: "bench, to count instructions",
        need: Need::Other,
        find: || on_path(&["valgrind"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y valgrind"),
                ("dnf", "dnf install -y valgrind"),
                ("apk", "apk add valgrind"),
                ("pacman", "pacman -S --noconfirm valgrind"),
            ])
        },
    },
    Tool {
        name: "docker or podman",
        needed_by: "an image of deploy/Containerfile",
        need: Need::Other,
        find: || on_path(&["docker", "podman"]),
        bring: || {
            package(&[
                ("apt-get", "apt-get install -y podman"),
                ("dnf", "dnf install -y podman"),
                ("apk", "apk add podman"),
                ("pacman", "pacman -S --noconfirm podman"),
                ("brew", "brew install podman"),
            ])
        },
    },
];

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "doctor",
    flags: &[],
    options: &[],
    names: Names::None,
    help: HELP,
};

fn run(args: &[String]) -> Result<(), String> {
    SYNTAX.read(args)?;
    let mut missing = Vec::new();
    for tool in TOOLS {
        let found = (tool.find)();
        println!("{}", line(tool, found.as_deref()));
        if found.is_none() && tool.need == Need::Ci {
            missing.push(tool.name);
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("`cargo xtask ci` needs: {}", missing.join(", "))),
    }
}

/// What is said of a tool.
fn line(tool: &Tool, found: Option<&str>) -> String {
    let Tool {
        name, needed_by, ..
    } = tool;
    match found {
        Some(found) => format!("here     {name:<17} {found}"),
        None => format!(
            "MISSING  {name:<17} for {needed_by}\n         {:<17} run: {}",
            "",
            (tool.bring)()
        ),
    }
}

/// Where the first of these programs is.
fn on_path(programs: &[&str]) -> Option<String> {
    let found = programs.iter().find_map(|program| sh::which(program))?;
    Some(found.display().to_string())
}

/// The first line that a program prints of itself.
fn version(mut command: Process) -> Option<String> {
    let text = sh::output(command.stdin(Stdio::null())).ok()?;
    text.lines().next().map(str::to_owned)
}

/// The line of this machine's package manager.
fn package(lines: &[(&'static str, &'static str)]) -> String {
    installers::line(lines).map_or_else(
        || "install it with the package manager of this machine".to_owned(),
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        Tool {
            name: "a tool",
            needed_by: "ci",
            need: Need::Ci,
            find: || None,
            bring: || "bring it".to_owned(),
        }
    }

    #[test]
    fn what_is_missing_is_said_with_the_commands_that_need_it_and_the_line_that_brings_it() {
        let said = line(&tool(), None);
        assert!(said.starts_with("MISSING  a tool"), "{said}");
        assert!(said.contains("for ci\n"), "{said}");
        assert!(said.ends_with("run: bring it"), "{said}");
        let said = line(&tool(), Some("/usr/bin/tool"));
        assert!(
            said.starts_with("here ") && said.ends_with("/usr/bin/tool"),
            "{said}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        assert_eq!(on_path(&["there-is-no-such-program"]), None);
        assert_eq!(version(Process::new("there-is-no-such-program")), None);
        assert!(on_path(&["there-is-no-such-program", "sh"]).is_some());
    }
}
