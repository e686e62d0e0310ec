//! Writes one item per document, with the document as its documentation.

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
    let out = PathBuf::from(env::var("OUT_DIR")?).join("documents.rs");
    Ok(fs::write(out, items)?)
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
