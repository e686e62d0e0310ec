//! `cargo xtask msrv`: the oldest Rust that the published crates can declare.
//!
//! Computed from what dependencies declare, from the language that the sources use, and from
//! clippy's lint about the standard library. It is declared and not built: the toolchain of this
//! workspace is pinned, and an older one is not at hand everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use civic_progress::Progress;
use serde_json::Value;

use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::metadata::Package;
use crate::rules::PUBLISHED;
use crate::sh::{self, cargo_command};

pub(crate) const COMMAND: Command = Command {
    name: "msrv",
    summary: "compute the oldest Rust that the published crates can declare",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask msrv [--quick]

Computes the oldest Rust that the published crates can declare as their `rust-version`: from what
their dependencies declare, from the language that their sources use, and from clippy's lint about
the standard library. Exits non-zero if they declare an older one. It is declared and not built:
run the tests with an older toolchain where you have one.

Options:
  --quick    without clippy: a second, and what `cargo xtask ci` runs beside its own lints
";

/// The systems that the crates are for.
const PLATFORMS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

/// What the edition needs.
const EDITION: Need = Need {
    version: Version(1, 85, 0),
    reason: Reason::Known("the edition of 2024"),
};

/// What the language learned since, by how a line of code gives it away.
const LANGUAGE: [(fn(&str) -> bool, Need); 3] = [
    (
        |line| line.contains("&& let "),
        Need {
            version: Version(1, 88, 0),
            reason: Reason::Known("`let` among other conditions"),
        },
    ),
    (
        // An arm of a `match`: in an arm's value, the arrow would come first.
        |line| {
            line.split_once(" if let ")
                .is_some_and(|(before, after)| after.contains("=>") && !before.contains("=>"))
        },
        Need {
            version: Version(1, 95, 0),
            reason: Reason::Known("`if let` as the guard of a `match` arm"),
        },
    ),
    (
        |line| line.contains("cfg_select!"),
        Need {
            version: Version(1, 95, 0),
            reason: Reason::Known("`cfg_select!`"),
        },
    ),
];

/// A version of Rust.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Version(u32, u32, u32);

/// A version that is needed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Need {
    version: Version,
    reason: Reason,
}

/// What needs it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Reason {
    Known(&'static str),
    Found(String),
}

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "msrv",
    flags: &["--quick"],
    options: &[],
    names: Names::None,
    help: HELP,
};

fn run(args: &[String]) -> Result<(), String> {
    let given = SYNTAX.read(args)?;
    let progress = Progress::new();
    progress.mark(0, 2, "what dependencies declare, and the language");
    let mut needs = declared_and_written()?;
    if !given.has("--quick") {
        progress.mark(1, 2, "clippy");
        let floor = needs.iter().map(|need| need.version).max();
        needs.extend(library(floor.unwrap_or(EDITION.version))?);
    }
    judge(needs, declared()?)
}

/// The step of `ci`. Its lints are those of the version that is declared.
pub(crate) fn check() -> Result<(), String> {
    judge(declared_and_written()?, declared()?)
}

/// Prints what is needed, and fails if less is declared.
fn judge(mut needs: Vec<Need>, declared: Version) -> Result<(), String> {
    needs.sort();
    needs.dedup();
    let Some(most) = needs.last().cloned() else {
        return Ok(());
    };
    for need in needs.iter().rev().take(8) {
        println!("    {need}");
    }
    if declared < most.version {
        return Err(format!(
            "the crates declare {declared} as their rust-version, and need more: {most}. Write the \
             code otherwise, or raise `rust-version` in Cargo.toml as CONTRIBUTING.md says"
        ));
    }
    println!("    declared: {declared}, which is enough; it was not built with it");
    Ok(())
}

/// What needs no compiler to be known.
fn declared_and_written() -> Result<Vec<Need>, String> {
    let text = sh::output(
        cargo_command([
            "metadata",
            "--locked",
            "--all-features",
            "--format-version",
            "1",
        ])
        .args(PLATFORMS.map(|platform| format!("--filter-platform={platform}"))),
    )?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
    let mut needs = dependencies(&metadata)?;
    needs.push(EDITION);
    for (name, _) in PUBLISHED {
        let folder = sh::root().join("crates").join(name).join("src");
        written(&folder, &mut needs)?;
    }
    Ok(needs)
}

/// What the dependencies of the published crates declare.
fn dependencies(metadata: &Value) -> Result<Vec<Need>, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .filter_map(|package| Some((package["id"].as_str()?.to_owned(), package)))
        .collect();
    let edges: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .filter_map(|node| Some((node["id"].as_str()?.to_owned(), node)))
        .collect();
    let is_published = |package: &Value| PUBLISHED.iter().any(|(name, _)| package["name"] == *name);
    let mut open: Vec<&String> = packages
        .iter()
        .filter(|(_, package)| is_published(package))
        .map(|(id, _)| id)
        .collect();
    if open.is_empty() {
        return Err("cargo metadata knows no published crate".into());
    }
    let mut seen: BTreeSet<&String> = open.iter().copied().collect();
    let mut needs = Vec::new();
    while let Some(id) = open.pop() {
        let package = &packages[id];
        if let Some(version) = package["rust_version"].as_str()
            && !is_published(package)
        {
            needs.push(Need {
                version: version.parse()?,
                reason: Reason::Found(format!(
                    "{} {} declares it",
                    package["name"].as_str().unwrap_or_default(),
                    package["version"].as_str().unwrap_or_default()
                )),
            });
        }
        for dependency in list(edges.get(id).map_or(&Value::Null, |node| &node["deps"])) {
            let is_needed = list(&dependency["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null() || kind["kind"] == "build");
            let id = dependency["pkg"].as_str().unwrap_or_default();
            if let Some((id, _)) = packages.get_key_value(id)
                && is_needed
                && seen.insert(id)
            {
                open.push(id);
            }
        }
    }
    Ok(needs)
}

/// What the sources of a folder are written in.
fn written(folder: &Path, needs: &mut Vec<Need>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            written(&path, needs)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            needs.extend(in_text(&std::fs::read_to_string(&path).map_err(failed)?));
        }
    }
    Ok(())
}

fn in_text(text: &str) -> Vec<Need> {
    let code = || {
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
    };
    LANGUAGE
        .iter()
        .filter(|(is_sign, _)| code().any(is_sign))
        .map(|(_, need)| need.clone())
        .collect()
}

/// What clippy says of the standard library, were `floor` declared.
fn library(floor: Version) -> Result<Vec<Need>, String> {
    let folder = sh::target().join("msrv");
    let file = folder.join("clippy.toml");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, format!("msrv = \"{floor}\"\n")))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = cargo_command(["clippy", "--locked", "--all-features", "--quiet"]);
    for (name, _) in PUBLISHED {
        command.args(["--package", name]);
    }
    let text = sh::output(
        command
            .args(["--message-format=json", "--", "--warn", LINT])
            .env("CLIPPY_CONF_DIR", &folder),
    )?;
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["message"]["code"]["code"] == LINT)
        .map(|message| of_lint(&message["message"]))
        .collect()
}

/// clippy's name of its lint.
const LINT: &str = "clippy::incompatible_msrv";

/// Reads what the lint says: the last version that it names.
fn of_lint(message: &Value) -> Result<Need, String> {
    let text = message["message"].as_str().unwrap_or_default();
    let version = text
        .rsplit('`')
        .find_map(|word| word.parse().ok())
        .ok_or_else(|| format!("clippy names no version: {text}"))?;
    let span = &message["spans"][0];
    Ok(Need {
        version,
        reason: Reason::Found(format!(
            "{}:{} uses what is stable since then",
            span["file_name"].as_str().unwrap_or("?"),
            span["line_start"]
        )),
    })
}

/// What the published crates declare.
fn declared() -> Result<Version, String> {
    let mut versions = BTreeSet::new();
    for (name, _) in PUBLISHED {
        let package = Package::of(name)?;
        let version = package
            .rust_version()
            .ok_or_else(|| format!("{name} declares no rust-version"))?;
        versions.insert(version.parse::<Version>()?);
    }
    match versions.len() {
        1 => versions.pop_first().ok_or_else(String::new),
        _ => Err("the published crates do not declare the same rust-version".into()),
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([major, minor]) => Ok(Self(*major, *minor, 0)),
            Some([major, minor, patch]) => Ok(Self(*major, *minor, *patch)),
            _ => Err(format!("{text:?} is no version of Rust")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Known(reason) => write!(f, "{}: {reason}", self.version),
            Reason::Found(reason) => write!(f, "{}: {reason}", self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(version("1.89") < version("1.100.0"));
        assert_eq!(version("1.89"), version("1.89.0"));
        for wrong in ["1", "", "x.y", "1.2.3.4"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_dependency_of_a_dependency_declares_counts_and_what_only_tests_need_does_not() {
        let package = |id: &str, name: &str, rust: &str| json!({"id": id, "name": name, "version": "1.0.0", "rust_version": rust});
        let edge = |to: &str, kind: Value| json!({"pkg": to, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                package("a", "civic-auth", "1.60"),
                package("b", "b", "1.61"),
                package("c", "c", "1.89"),
                package("d", "d", "1.95"),
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [edge("b", Value::Null), edge("d", json!("dev"))]},
                {"id": "b", "deps": [edge("c", json!("build"))]},
            ]},
        });
        let needs = dependencies(&metadata).expect("there is a published crate");
        let most = needs.iter().max().expect("there are some");
        assert_eq!(most.to_string(), "1.89.0: c 1.0.0 declares it");
        assert!(dependencies(&json!({})).is_err());
    }

    #[test]
    fn the_language_is_seen_in_code_and_not_in_comments() {
        assert_eq!(in_text("if a && let Some(b) = c {}").len(), 1);
        assert_eq!(in_text("// if a && let Some(b) = c {}"), []);
        let guard = in_text("    Some(a) if let Ok(b) = f(a) => b,");
        assert_eq!(
            guard.first().map(|need| need.version),
            Some(version("1.95"))
        );
        for older in [
            "    None => if let Some(a) = b { a } else { 1 },",
            "    } else if let Some(a) = b {",
            "    let a = if let Some(a) = b { a } else { 1 };",
        ] {
            assert_eq!(in_text(older), [], "{older}");
        }
    }

    #[test]
    fn the_version_is_read_from_what_clippy_says() {
        let message = json!({
            "message": "current MSRV (Minimum Supported Rust Version) is `1.85.0` but this item is stable since `1.89.0`",
            "spans": [{"file_name": "src/a.rs", "line_start": 7}],
        });
        let need = of_lint(&message).expect("there is a version");
        assert_eq!(
            need.to_string(),
            "1.89.0: src/a.rs:7 uses what is stable since then"
        );
    }

    #[test]
    fn declaring_less_than_is_needed_is_red() {
        let needs = vec![EDITION];
        assert!(judge(needs.clone(), version("1.85")).is_ok());
        let error = judge(needs, version("1.84")).expect_err("that is too old");
        assert!(
            error.contains("need more: 1.85.0: the edition of 2024"),
            "{error}"
        );
    }
}
