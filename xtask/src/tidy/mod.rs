//! `cargo xtask tidy`: the style that the compiler, clippy and rustfmt do not check.
//!
//! | rule | what it asks for | file |
//! |---|---|---|
//! | `imports` | one `use` per module, three groups, names from their defining modules | `imports.rs` |
//! | `derives`, `aliases`, `names`, `panics` | sorted derives, no type aliases, no `get_`, no panics in published code | `items.rs` |
//! | `banners`, `width`, `unfinished` | the form of comments and documents | `comments.rs` |
//! | `english`, `docs` | whole sentences, none of the idioms that have to be read twice | `english.rs` |
//! | `files`, `length`, `unit-tests`, `integration-tests` | where modules and tests are, and how long a file may be | `layout.rs` |
//! | `circles` | no two files that need each other | `circles.rs` |
//! | `links`, `blocks` | documents whose links lead somewhere, and whose Rust can be pasted and is run | `documents.rs` |
//!
//! Each finding names a file, a line and what to do. There is no comment that switches a rule off.

mod circles;
mod comments;
mod documents;
mod english;
mod finding;
#[cfg(test)]
mod fixture;
mod imports;
mod items;
mod layout;
mod source;
mod tree;

use std::collections::BTreeMap;

use self::finding::Finding;
use self::tree::Tree;
use crate::arguments::{Names, Syntax};
use crate::command::{Command, Help};
use crate::sh;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    summary: "check the style that the compiler, clippy and rustfmt do not check",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask tidy [--crate NAME]

Checks how imports, comments, documents, modules and tests are written and where they are. Prints
one line per finding: file, line, rule, and what to do. Exits non-zero if there is one.

Options:
  --crate NAME    only what is in crates/NAME, or in the folder `docs` or `xtask`
";

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "tidy",
    flags: &[],
    options: &["--crate"],
    names: Names::None,
    help: HELP,
};

/// Checks the whole tree, or one crate.
fn run(args: &[String]) -> Result<(), String> {
    let given = SYNTAX.read(args)?;
    let only = given.value("--crate").map(folder_of).transpose()?;
    let tree = Tree::read(&sh::root())?;
    let mut findings = check(&tree);
    if let Some(folder) = &only {
        findings.retain(|finding| finding.path.starts_with(folder.as_str()));
    }
    report(&findings)
}

/// Checks the whole tree: the step of `ci`.
pub(crate) fn check_all() -> Result<(), String> {
    report(&check(&Tree::read(&sh::root())?))
}

/// The folder of a crate below the workspace's root, with a `/` at its end.
fn folder_of(name: &str) -> Result<String, String> {
    ["crates/", ""]
        .iter()
        .map(|parent| format!("{parent}{name}/"))
        .find(|folder| sh::root().join(folder).join("Cargo.toml").is_file())
        .ok_or_else(|| {
            format!("there is no crate `{name}`: name a folder of crates/, docs or xtask")
        })
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        imports::check(source, &mut findings);
        items::check(source, &mut findings);
        comments::check(source, &mut findings);
        english::check(source, &mut findings);
        layout::check(source, &mut findings);
        documents::check_source(source, &mut findings);
    }
    for (path, text) in &tree.others {
        comments::check_text(path, text, &mut findings);
        english::check_text(path, text, &mut findings);
    }
    layout::check_tree(tree, &mut findings);
    circles::check(&tree.sources, &mut findings);
    documents::check(tree, &mut findings);
    findings.sort();
    findings
}

fn report(findings: &[Finding]) -> Result<(), String> {
    if findings.is_empty() {
        println!("    tidy: nothing found");
        return Ok(());
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        println!("{finding}");
        *counts.entry(finding.rule).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(rule, count)| format!("{rule} {count}"))
        .collect();
    Err(format!(
        "{} places are not tidy: {}",
        findings.len(),
        counts.join(", ")
    ))
}
