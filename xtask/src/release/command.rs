//! The command itself, and its steps.

use std::collections::BTreeMap;
use std::process::Command;

use civic_progress::Progress;

use super::changelog::{Section, section};
use super::compatibility;
use super::order::order;
use super::scratch::Scratch;
use crate::arguments::{Names, Syntax};
use crate::command::{Command as Xtask, Help};
use crate::metadata::Package;
use crate::package::{Packed, Tree, pack};
use crate::rules::PUBLISHED;
use crate::{msrv, sh};

pub(crate) const COMMAND: Xtask = Xtask {
    name: "release",
    summary: "check that the crates can be published, and publish them",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask release --dry-run
       cargo xtask release --publish

Checks what has to be true before the crates are published: a clean tree, one version, a section in
CHANGELOG.md, no tag of this version yet, no public item that is gone since the last tag unless the
version says so, what crates.io asks for, the oldest Rust, the files of each package, and a
project outside of the repository that depends on the packages alone and builds the programs of
README.md. Prints the files of each package, and the commands that publish.

Options:
  --dry-run    check, and change nothing
  --publish    check, then publish each crate in its order, and make the tag. Refuses the placeholder
               that Cargo.toml has as `repository`, and a section without a date
";

/// What Cargo.toml says until there is a repository.
const PLACEHOLDER: &str = "https://example.invalid/";

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    DryRun,
    Publish,
}

/// What a release is made of.
#[derive(Debug)]
struct Plan {
    version: String,
    order: Vec<&'static str>,
    /// What only publishing refuses.
    refused: Vec<String>,
}

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "release",
    flags: &["--dry-run", "--publish"],
    options: &[],
    names: Names::None,
    help: HELP,
};

fn run(args: &[String]) -> Result<(), String> {
    let mode = mode(args)?;
    let progress = Progress::new();
    let step = |done: u64, what: &str| {
        progress.mark(done, 4, what);
        println!("==> {what}");
    };
    step(0, "the tree and its texts");
    let plan = plan()?;
    if mode == Mode::Publish && !plan.refused.is_empty() {
        return Err(refusal(&plan));
    }
    step(1, "the oldest Rust that is declared");
    msrv::check()?;
    step(2, "the packages");
    let scratch = Scratch::new()?;
    let packages = pack(&scratch.packages(), Tree::Clean)?;
    for package in &packages {
        print(package);
    }
    step(3, "a project that depends on the packages alone");
    let readme = read("README.md")?;
    let built = scratch.build(&packages, &readme)?;
    println!("    {built} programs of README.md were built");

    let commands = commands(&plan);
    match mode {
        Mode::DryRun => {
            println!("\nEverything is ready for {}, but for:", plan.version);
            println!("  - `cargo xtask ci` is not part of this: run it before");
            for refused in &plan.refused {
                println!("  - {refused}: publishing is refused until then");
            }
            println!("\nPublishing would run:");
            for command in &commands {
                println!("    {}", command.join(" "));
            }
            Ok(())
        }
        Mode::Publish => {
            for command in &commands {
                if let Some((program, rest)) = command.split_first() {
                    sh::run(Command::new(program).args(rest).current_dir(sh::root()))?;
                }
            }
            println!(
                "Published. Now push the tag: git push origin v{}",
                plan.version
            );
            Ok(())
        }
    }
}

fn mode(args: &[String]) -> Result<Mode, String> {
    let given = SYNTAX.read(args)?;
    match (given.has("--dry-run"), given.has("--publish")) {
        (true, false) => Ok(Mode::DryRun),
        (false, true) => Ok(Mode::Publish),
        _ => Err(format!("release needs --dry-run or --publish\n\n{HELP}")),
    }
}

/// Checks all that needs no build.
fn plan() -> Result<Plan, String> {
    let mut wrong = Vec::new();
    let changed = sh::output(
        Command::new("git")
            .args(["status", "--porcelain"])
            .current_dir(sh::root()),
    )?;
    if !changed.trim().is_empty() {
        wrong.push(format!(
            "the tree has {} changes that are not committed",
            changed.lines().count()
        ));
    }
    let packages = PUBLISHED
        .iter()
        .map(|(name, _)| Ok((*name, Package::of(name)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let version = packages
        .first()
        .map(|(_, package)| package.version().to_owned())
        .ok_or("no crate is published")?;
    let mut refused = Vec::new();
    for (name, package) in &packages {
        if package.version() != version {
            wrong.push(format!(
                "{name} has the version {}, and others {version}",
                package.version()
            ));
        }
        wrong.extend(
            package
                .refused()
                .into_iter()
                .map(|why| format!("{name}: {why}")),
        );
    }
    let has_placeholder = packages.iter().any(|(_, package)| {
        package
            .repository()
            .is_some_and(|url| url.starts_with(PLACEHOLDER))
    });
    if has_placeholder {
        refused.push(
            "`repository` in the workspace's Cargo.toml is a placeholder: write the real address"
                .to_owned(),
        );
    }
    match section(&read("CHANGELOG.md")?, &version) {
        Ok(Section::Dated) => {}
        Ok(Section::Unreleased) => {
            refused.push(format!(
                "CHANGELOG.md says that {version} is unreleased: date it"
            ));
        }
        Err(error) => wrong.push(error),
    }
    let tag = format!("v{version}");
    let tags = sh::output(
        Command::new("git")
            .args(["tag", "--list", &tag])
            .current_dir(sh::root()),
    )?;
    if !tags.trim().is_empty() {
        wrong.push(format!(
            "the tag {tag} exists: raise the version in Cargo.toml"
        ));
    }
    wrong.extend(compatibility::check(&version)?);
    let crates: Vec<(&'static str, Vec<&str>)> = packages
        .iter()
        .map(|(name, package)| (*name, package.local_dependencies()))
        .collect();
    let order = match order(&crates) {
        Ok(order) => order,
        Err(error) => {
            wrong.push(error);
            Vec::new()
        }
    };
    match wrong.is_empty() {
        true => Ok(Plan {
            version,
            order,
            refused,
        }),
        false => Err(format!("this is not ready:\n  - {}", wrong.join("\n  - "))),
    }
}

fn refusal(plan: &Plan) -> String {
    format!(
        "{} is not published:\n  - {}",
        plan.version,
        plan.refused.join("\n  - ")
    )
}

/// What publishes the crates, each after those that it depends on.
fn commands(plan: &Plan) -> Vec<Vec<String>> {
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    let mut commands: Vec<Vec<String>> = plan
        .order
        .iter()
        .map(|name| words(format!("cargo publish --locked --package {name}")))
        .collect();
    let version = &plan.version;
    let mut tag: Vec<String> = words(format!("git tag --annotate v{version} --message"));
    tag.push(format!("Version {version}"));
    commands.push(tag);
    commands
}

/// Every file of a package, a line per folder.
fn print(package: &Packed) {
    println!(
        "    {} {}: {} KiB, {} files",
        package.name,
        package.version,
        package.bytes.div_ceil(1024),
        package.files.len()
    );
    for (folder, names) in by_folder(&package.files) {
        println!("        {folder:<34} {}", names.join(" "));
    }
}

/// The names of files, by their folders.
fn by_folder(files: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let (folder, name) = file.rsplit_once('/').unwrap_or((".", file));
        folders.entry(folder).or_default().push(name);
    }
    folders
}

fn read(name: &str) -> Result<String, String> {
    std::fs::read_to_string(sh::root().join(name)).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(refused: &[&str]) -> Plan {
        Plan {
            version: "0.1.0".to_owned(),
            order: vec!["civic-envelope", "civic-auth"],
            refused: refused.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn crates_are_published_in_their_order_and_the_tag_comes_last() {
        let commands: Vec<String> = commands(&plan(&[]))
            .iter()
            .map(|command| command.join(" "))
            .collect();
        assert_eq!(
            commands,
            [
                "cargo publish --locked --package civic-envelope",
                "cargo publish --locked --package civic-auth",
                "git tag --annotate v0.1.0 --message Version 0.1.0",
            ]
        );
    }

    #[test]
    fn publishing_has_to_be_asked_for_by_name() {
        let mode =
            |args: &[&str]| mode(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(mode(&["--dry-run"]), Ok(Mode::DryRun));
        assert_eq!(mode(&["--publish"]), Ok(Mode::Publish));
        for wrong in [&[][..], &["--dry-run", "--publish"], &["0.1.0"]] {
            assert!(mode(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_file_of_a_package_is_listed() {
        let files = ["Cargo.toml", "src/a/b.rs", "src/a/c.lua", "src/lib.rs"].map(str::to_owned);
        let listed: Vec<(&str, String)> = by_folder(&files)
            .into_iter()
            .map(|(folder, names)| (folder, names.join(" ")))
            .collect();
        assert_eq!(
            listed,
            [
                (".", "Cargo.toml".to_owned()),
                ("src", "lib.rs".to_owned()),
                ("src/a", "b.rs c.lua".to_owned()),
            ]
        );
    }

    #[test]
    fn what_publishing_refuses_is_said() {
        let error = refusal(&plan(&["a placeholder"]));
        assert_eq!(error, "0.1.0 is not published:\n  - a placeholder");
    }

    #[test]
    fn the_placeholder_is_the_one_of_the_workspace() {
        let manifest = include_str!("../../../Cargo.toml");
        let line = manifest
            .lines()
            .find(|line| line.starts_with("repository = "))
            .expect("the workspace has one");
        let is_placeholder = line.contains(PLACEHOLDER);
        assert!(is_placeholder || line.contains("https://"), "{line}");
    }
}
