//! Writes one item per document, with the document as its documentation, and the programs of the
//! README as modules.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let docs = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = docs.parent().ok_or("docs/ is in a repository")?;
    // A folder counts as changed when anything in it is.
    println!("cargo::rerun-if-changed=.");

    let mut documents = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if is_document(&path) {
            println!("cargo::rerun-if-changed={}", path.display());
            documents.push(path);
        }
    }
    add(&docs, &mut documents)?;
    documents.sort();

    let mut items = String::new();
    for path in &documents {
        let relative = path.strip_prefix(root)?.with_extension("");
        let name: String = relative
            .to_string_lossy()
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        writeln!(items, "#[doc = include_str!({path:?})]\nmod {name} {{}}")?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("documents.rs"), items)?;

    let readme = fs::read_to_string(root.join("README.md"))?;
    // Several checkouts may run the programs at the same time.
    let port = 20_000 + hash(&docs.to_string_lossy()) % 10_000;
    println!("cargo::rustc-env=README_PORT={port}");
    for name in ["roll", "client", "job"] {
        let program = program(&readme, name).replace("3020", &port.to_string());
        fs::write(out.join(format!("readme_{name}.rs")), program)?;
    }
    Ok(())
}

/// A program of the README as a module with a function `run`.
fn program(readme: &str, name: &str) -> String {
    let file = format!("src/bin/{name}.rs");
    let shown = readme.split_once(&file).and_then(|(_, after)| {
        let (_, after) = after.split_once("```rust")?;
        let (_, code) = after.split_once('\n')?;
        Some(code.split_once("\n```")?.0)
    });
    let runs = "pub(super) fn run() -> Result<(), Box<dyn std::error::Error>>";
    match shown {
        Some(code) => format!("{code}\n{runs} {{ main() }}\n"),
        None => format!("{runs} {{ Err(\"README.md shows no {file}\".into()) }}\n"),
    }
}

/// FNV-1a: the same number on every machine.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Adds the documents in a folder and in those below it.
fn add(folder: &Path, documents: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            add(&path, documents)?;
        } else if is_document(&path) {
            documents.push(path);
        }
    }
    Ok(())
}

fn is_document(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "md")
}
