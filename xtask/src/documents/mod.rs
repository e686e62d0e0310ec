//! The documents of the repository against the programs and packages that they name.
//!
//! `cargo xtask tidy` has checked their links and the form of their blocks, and the doc tests run
//! their Rust. What is left needs a build: each command that a document names is one that its
//! program knows, with these options, and each dependency that it shows is one that cargo resolves,
//! with these features.

mod commands;
mod manifests;

use std::path::{Path, PathBuf};
use std::{fs, io};

use self::commands::Commands;
use self::manifests::Manifests;
use crate::markdown::Document;
use crate::sh;

/// Folders in which there is no document of ours.
const SKIPPED: &[&str] = &[
    ".git",
    "artifacts",
    "corpus",
    "node_modules",
    "seeds",
    "target",
];

/// Checks every document.
pub(crate) fn check() -> Result<(), String> {
    let root = sh::root();
    let mut files = Vec::new();
    find(&root, &mut files).map_err(|error| error.to_string())?;
    files.sort();
    let mut commands = Commands::new()?;
    let manifests = Manifests::new()?;
    let mut wrong = Vec::new();
    let (mut named, mut shown) = (0, 0);
    for file in &files {
        let path = file.strip_prefix(&root).unwrap_or(file).display();
        let text = fs::read_to_string(file).map_err(|error| format!("{path}: {error}"))?;
        let mut refuse = |line: usize, message: String| {
            wrong.push(format!("{path}:{line}: {message}"));
        };
        if file.extension().is_some_and(|extension| extension == "rs") {
            for (line, command) in commands::in_source(&text) {
                named += 1;
                if let Some(message) = commands.wrong(&command)? {
                    refuse(line, message);
                }
            }
            continue;
        }
        let document = Document::read(&text);
        for (line, command) in commands::in_document(&document) {
            named += 1;
            if let Some(message) = commands.wrong(&command)? {
                refuse(line, message);
            }
        }
        for block in document
            .blocks
            .iter()
            .filter(|block| block.language() == "toml")
        {
            shown += 1;
            for message in manifests.wrong(&block.lines.join("\n"))? {
                refuse(block.line, message);
            }
        }
    }
    if wrong.is_empty() {
        println!("    {named} commands and {shown} blocks of TOML are as their programs have them");
        Ok(())
    } else {
        Err(format!(
            "{} places are wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        ))
    }
}

/// Adds the documents and the sources in a folder and in those below it.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name) {
                find(&path, files)?;
            }
        } else if name.ends_with(".md") || name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}
