//! `cargo xtask ci`: every check that a change has to pass, in the order in which they fail
//! fastest.
//!
//! It stops at the first failure, prints one line per step with the time that it took, installs
//! what it needs and does not find (saying so), and never skips a step silently.

mod background;
mod packaging;

use std::process;
use std::time::Instant;

use civic_progress::Progress;

use self::background::Background;
use crate::command::{Command, Help};
use crate::metadata::Package;
use crate::rules::{self, PUBLISHED};
use crate::sh::{self, cargo_command};
use crate::tools::CargoDeny;
use crate::{documents, examples, interop, msrv, public_api, suite, tidy, tools};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    summary: "run every check that a change has to pass",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask ci [STEP]...

Runs every check in the order in which they fail fastest, and stops at the first failure. With
arguments, runs the steps of these names only.

Options:
  --list    print the names of the steps

Environment:
  CIVIC_INSTALL         `always` installs redis-server by the system's package manager if it is
                        absent, `never` prints the line that does. Defaults to asking on a terminal,
                        and to `always` elsewhere
  CIVIC_REDIS_SERVER    the redis-server to use
";

/// What the steps share.
#[derive(Debug, Default)]
struct Shared {
    /// The installation of cargo-deny, if it had to be started.
    cargo_deny: Option<Background>,
}

/// A step's name and what it does.
struct Step {
    name: &'static str,
    run: fn(&mut Shared) -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        run: |_| format(),
    },
    Step {
        name: "tidy",
        run: |_| tidy::check_all(),
    },
    Step {
        name: "lints",
        run: |_| lints(),
    },
    Step {
        name: "features",
        run: |_| features(),
    },
    Step {
        name: "architecture rules",
        run: |_| rules::check(),
    },
    Step {
        name: "documentation",
        run: |_| documentation(),
    },
    Step {
        name: "public items",
        run: |_| public_api::check(),
    },
    Step {
        name: "oldest Rust",
        run: |_| msrv::check(),
    },
    Step {
        name: "tests",
        run: |_| tests(),
    },
    Step {
        name: "tests with both back ends of jsonwebtoken",
        run: |_| both_back_ends(),
    },
    Step {
        name: "doc tests",
        run: |_| doc_tests(),
    },
    Step {
        name: "documents",
        run: |_| documents::check(),
    },
    Step {
        name: "examples",
        run: |_| examples::check(),
    },
    Step {
        name: "simulation",
        run: |_| crate::simulate::check(),
    },
    Step {
        name: "chaos",
        run: |_| chaos(),
    },
    Step {
        name: "demo",
        run: |_| (crate::demo::COMMAND.run)(&[]),
    },
    Step {
        name: "interop",
        run: |_| interop::check(),
    },
    Step {
        name: DEPENDENCIES,
        run: dependencies,
    },
    Step {
        name: "packaging",
        run: |_| packaging::check(),
    },
];

/// The step that needs cargo-deny.
const DEPENDENCIES: &str = "dependencies";

/// Runs every step, or those that the arguments name.
fn run(args: &[String]) -> Result<(), String> {
    if args == ["--list"] {
        for step in STEPS {
            println!("{}", step.name);
        }
        return Ok(());
    }
    let steps = select(args)?;
    let begun = Instant::now();
    let mut shared = Shared::default();
    if steps.iter().any(|step| step.name == DEPENDENCIES) {
        shared.cargo_deny = install_in_background()?;
    }
    let mut taken = Vec::new();
    let progress = Progress::new();
    for (done, step) in steps.iter().enumerate() {
        progress.mark(done as u64, steps.len() as u64, step.name);
        println!("==> {}", step.name);
        let start = Instant::now();
        let result = (step.run)(&mut shared);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                println!("==> {}: passed in {seconds:.1} s", step.name);
                taken.push((step.name, seconds));
            }
            Err(error) => {
                summary(&taken);
                return Err(format!(
                    "{} failed after {seconds:.1} s: {error}",
                    step.name
                ));
            }
        }
    }
    summary(&taken);
    println!(
        "ci: {} steps passed in {:.1} s",
        taken.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The steps of exactly these names, in the order of [`STEPS`]; all, if none is named.
fn select(names: &[String]) -> Result<Vec<&'static Step>, String> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let all: Vec<String> = STEPS
            .iter()
            .map(|step| format!("`{}`", step.name))
            .collect();
        return Err(format!(
            "there is no step `{unknown}`; the steps are {}",
            all.join(", ")
        ));
    }
    Ok(STEPS
        .iter()
        .filter(|step| names.is_empty() || names.iter().any(|name| name == step.name))
        .collect())
}

fn summary(taken: &[(&str, f64)]) {
    println!();
    for (name, seconds) in taken {
        println!("{seconds:>8.1} s  {name}");
    }
}

fn format() -> Result<(), String> {
    sh::run(&mut cargo_command(["fmt", "--all", "--check"]))
}

fn lints() -> Result<(), String> {
    sh::run(&mut cargo_command([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// Each published crate builds alone: without features, with each of them, with all of them.
fn features() -> Result<(), String> {
    for (name, _) in PUBLISHED {
        let check = |features: &[&str]| {
            sh::run(
                cargo_command(["clippy", "--locked", "--quiet", "--package", name])
                    .args(features)
                    .args(["--", "--deny", "warnings"]),
            )
        };
        check(&["--no-default-features"])?;
        let package = Package::of(name)?;
        let features = package.features();
        // One feature alone is the same as all of them.
        if features.len() > 1 {
            for (feature, _) in &features {
                check(&["--no-default-features", "--features", feature])?;
            }
        }
        if !features.is_empty() {
            check(&["--all-features"])?;
        }
    }
    Ok(())
}

fn documentation() -> Result<(), String> {
    sh::run(
        cargo_command([
            "doc",
            "--locked",
            "--workspace",
            "--all-features",
            "--no-deps",
        ])
        .env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}

fn tests() -> Result<(), String> {
    let redis = tools::redis_server()?;
    println!("    tests that need a server use {}", redis.display());
    suite::run(&[suite::WORKSPACE, suite::WITHOUT_FEATURES], &redis)
}

fn both_back_ends() -> Result<(), String> {
    suite::run(&[suite::BOTH_BACK_ENDS], &tools::redis_server()?)
}

fn doc_tests() -> Result<(), String> {
    sh::run(&mut cargo_command([
        "test",
        "--locked",
        "--workspace",
        "--all-features",
        "--doc",
    ]))
}

/// A short, bounded part of what `cargo xtask chaos` does for as long as one likes.
fn chaos() -> Result<(), String> {
    let arguments = ["--seconds", "60", "--seed", "1"].map(str::to_owned);
    sh::run(&mut crate::chaos::prepare(&arguments)?)?;
    let once =
        "once --seconds 20 --posts 400 --processes 12 --kills 3 --stops 10 --rounds 2 --seed 1";
    let arguments: Vec<_> = once.split(' ').map(str::to_owned).collect();
    sh::run(&mut crate::chaos::prepare(&arguments)?)
}

/// Starts the installation of cargo-deny, if it is not there: the first steps leave cores idle now
/// and then, and it fills the gaps.
fn install_in_background() -> Result<Option<Background>, String> {
    let deny = CargoDeny::new();
    let Some(mut command) = deny.installation() else {
        return Ok(None);
    };
    Background::start("installing cargo-deny", &mut command, deny.log()?).map(Some)
}

/// Bans, licences and sources always; advisories when their database can be fetched.
fn dependencies(shared: &mut Shared) -> Result<(), String> {
    let deny = CargoDeny::new();
    if let Some(installation) = shared.cargo_deny.take() {
        installation.wait()?;
        deny.remove_build_folder();
    }
    let command = |args: &[&str]| {
        let mut command = process::Command::new(deny.program());
        command
            .args(["--workspace", "--all-features", "--locked"])
            .args(args)
            .current_dir(sh::root());
        command
    };
    sh::run(&mut command(&["check", "bans", "licenses", "sources"]))?;
    if command(&["fetch", "db"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        sh::run(&mut command(&["check", "advisories"]))
    } else {
        println!(
            "    the advisory database cannot be reached from here: advisories were NOT checked"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str]) -> Result<Vec<&'static str>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        select(&names).map(|steps| steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn a_step_is_selected_by_its_whole_name() {
        assert_eq!(selected(&["tests"]), Ok(vec!["tests"]));
        assert_eq!(
            selected(&["tests", "format"]),
            Ok(vec!["format", "tests"]),
            "in the order of the steps"
        );
        assert_eq!(
            selected(&[]).map(|steps| steps.len()),
            Ok(STEPS.len()),
            "all of them"
        );
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_names_of_all() {
        let error = selected(&["test"]).expect_err("that is a part of a name");
        assert!(
            error.starts_with("there is no step `test`; the steps are `format`, `tidy`"),
            "{error}"
        );
    }
}
