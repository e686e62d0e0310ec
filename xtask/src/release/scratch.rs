//! A project outside of the repository that depends on the packages alone, and builds what
//! README.md shows.

use std::path::{Path, PathBuf};

use crate::package::Packed;
use crate::{sh, suite};

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
}

// ===== impl Scratch =====

impl Scratch {
    /// Makes the folder, outside of the repository.
    pub(super) fn new() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("civic-release-{}", std::process::id()));
        if folder.starts_with(sh::root()) {
            return Err("the folder for temporary files is in the repository: set TMPDIR".into());
        }
        std::fs::create_dir_all(folder.join("src/bin"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where the packages are unpacked.
    pub(super) fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    /// Builds each program of README.md with the packages. Returns how many there are.
    pub(super) fn build(&self, packages: &[Packed], readme: &str) -> Result<usize, String> {
        let programs = programs(readme);
        if programs.is_empty() {
            return Err("README.md shows no program".into());
        }
        for (index, program) in programs.iter().enumerate() {
            let file = self.folder.join(format!("src/bin/example_{index}.rs"));
            write(&file, program)?;
        }
        write(
            &self.folder.join("Cargo.toml"),
            &manifest(packages, readme)?,
        )?;
        let lock = self.folder.join("Cargo.lock");
        std::fs::copy(sh::root().join("Cargo.lock"), &lock)
            .map_err(|error| format!("{}: {error}", lock.display()))?;
        let mut command = suite::sharing_target(["build", "--quiet", "--bins"]);
        sh::run(command.current_dir(&self.folder))?;
        Ok(programs.len())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The programs that a document shows: its Rust code with a `main`.
fn programs(text: &str) -> Vec<String> {
    blocks(text, "rust")
        .into_iter()
        .filter(|code| code.contains("fn main()"))
        .collect()
}

/// The fenced blocks in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if info.split(',').next() == Some(language) {
            found.push(block.join("\n") + "\n");
        }
    }
    found
}

/// Depends on what README.md says, and finds the crates in the packages.
fn manifest(packages: &[Packed], readme: &str) -> Result<String, String> {
    let said = blocks(readme, "toml")
        .into_iter()
        .find(|block| block.contains("[dependencies]"))
        .ok_or("README.md does not say how to depend on the crates")?;
    let mut dependencies = String::new();
    for line in said
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
    {
        let name = line.split(" = ").next().unwrap_or_default();
        match packages.iter().find(|package| package.name == name) {
            Some(Packed { version, .. }) => dependencies.push_str(&format!(
                "{name} = {{ version = \"={version}\", features = [{}] }}\n",
                features(line)
            )),
            None => dependencies.push_str(&format!("{line}\n")),
        }
    }
    let patches: String = packages
        .iter()
        .map(|Packed { name, folder, .. }| format!("{name} = {{ path = {folder:?} }}\n"))
        .collect();
    Ok(format!(
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\n{dependencies}\n[patch.crates-io]\n{patches}"
    ))
}

/// The features in a line about a dependency.
fn features(line: &str) -> &str {
    let list = line.split_once("features = [").map_or("", |(_, rest)| rest);
    list.split(']').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "text\n```toml\n[dependencies]\naxum = \"0.8\"\ncivic-auth = { path = \"a\", features = [\"axum\"] }\n\
        civic-client = { path = \"b\" }\n```\n```rust,no_run\nfn main() {}\n```\n```rust\nlet a = 1;\n```\n";

    #[test]
    fn the_programs_of_a_document_are_its_rust_code_with_a_main() {
        assert_eq!(programs(DOCUMENT), ["fn main() {}\n"]);
        let readme = include_str!("../../../README.md");
        assert!(
            programs(readme).len() >= 2,
            "README.md has a client and a server"
        );
    }

    #[test]
    fn a_project_depends_on_the_packages_as_the_document_says() {
        let packed = |name: &'static str| Packed {
            name,
            version: "0.1.0".to_owned(),
            folder: PathBuf::from("/p").join(name),
            files: Vec::new(),
            bytes: 0,
        };
        let packages = ["civic-auth", "civic-client", "civic-lock"].map(packed);
        let text = manifest(&packages, DOCUMENT).expect("it says how");
        assert!(
            text.contains("civic-auth = { version = \"=0.1.0\", features = [\"axum\"] }\n"),
            "{text}"
        );
        assert!(
            text.contains("civic-client = { version = \"=0.1.0\", features = [] }\n"),
            "{text}"
        );
        assert!(text.contains("\naxum = \"0.8\"\n"), "{text}");
        assert!(!text.contains("civic-lock = { version"), "{text}");
        assert!(
            text.contains("civic-lock = { path = \"/p/civic-lock\" }\n"),
            "{text}"
        );
        assert!(manifest(&packages, "nothing").is_err());
    }

    #[test]
    fn it_is_outside_of_the_repository_and_leaves_nothing() {
        let scratch = Scratch::new().expect("there is room");
        let folder = scratch.folder.clone();
        assert!(folder.is_dir() && !folder.starts_with(sh::root()));
        drop(scratch);
        assert!(!folder.exists());
    }
}
