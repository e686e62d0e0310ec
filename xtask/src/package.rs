//! The packages of the published crates: packed, unpacked, and what is in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::metadata::Package;
use crate::rules::PUBLISHED;
use crate::sh::{self, cargo_command};

/// What each package has.
const NEEDED: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// What cargo adds, and what may be there beside the sources.
const ALLOWED: [&str; 7] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
];

/// Where the sources are.
const SOURCES: &str = "src/";

/// Endings of the names of keys and certificates.
const KEYS: [&str; 5] = [".der", ".key", ".p12", ".pem", ".pfx"];

/// A package, packed and unpacked.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// The folder that it was unpacked to.
    pub(crate) folder: PathBuf,
    /// Its files, in order.
    pub(crate) files: Vec<String>,
    /// How large the packed file is.
    pub(crate) bytes: u64,
}

/// Whether a package may be made of files that are not committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tree {
    Clean,
    AsItIs,
}

/// Packs every published crate, unpacks it below `into`, and checks what is in it.
pub(crate) fn pack(into: &Path, tree: Tree) -> Result<Vec<Packed>, String> {
    let mut command = cargo_command(["package", "--locked", "--no-verify", "--quiet"]);
    if tree == Tree::AsItIs {
        command.arg("--allow-dirty");
    }
    for (name, _) in PUBLISHED {
        command.args(["--package", name]);
    }
    sh::run(&mut command)?;

    let failed = |error: std::io::Error| format!("{}: {error}", into.display());
    // Nothing of an earlier package may stand in for a file that this one lacks.
    if into.exists() {
        std::fs::remove_dir_all(into).map_err(failed)?;
    }
    std::fs::create_dir_all(into).map_err(failed)?;
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for (name, _) in PUBLISHED {
        let version = Package::of(name)?.version().to_owned();
        let file = sh::target()
            .join("package")
            .join(format!("{name}-{version}.crate"));
        unpack(&file, into)?;
        let folder = into.join(format!("{name}-{version}"));
        let files = files(&folder, "")?;
        let defects = defects(&files, |file| {
            std::fs::read_to_string(folder.join(file)).unwrap_or_default()
        });
        wrong.extend(
            defects
                .into_iter()
                .map(|defect| format!("{name}: {defect}")),
        );
        let bytes = std::fs::metadata(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?
            .len();
        all.push(Packed {
            name,
            version,
            folder,
            files,
            bytes,
        });
    }
    match wrong.is_empty() {
        true => Ok(all),
        false => Err(format!(
            "these packages are not fit to be published:\n  - {}",
            wrong.join("\n  - ")
        )),
    }
}

/// Unpacks as of now: cargo would take files that are older than its last build for unchanged.
fn unpack(package: &Path, into: &Path) -> Result<(), String> {
    sh::run(
        Command::new("tar")
            .args(["-x", "-z", "-m", "-f"])
            .arg(package)
            .arg("-C")
            .arg(into),
    )
}

/// The files below a folder, in order.
fn files(folder: &Path, prefix: &str) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().map_err(failed)?.is_dir() {
            true => found.extend(files(&entry.path(), &format!("{name}/"))?),
            false => found.push(name),
        }
    }
    found.sort();
    Ok(found)
}

/// What is wrong with the files of a package.
fn defects(files: &[String], text: impl Fn(&str) -> String) -> Vec<String> {
    let mut wrong: Vec<String> = NEEDED
        .iter()
        .filter(|needed| files.iter().all(|file| file != *needed))
        .map(|needed| format!("{needed} is not in it"))
        .collect();
    for file in files {
        let is_source = file.starts_with(SOURCES);
        if !is_source && !ALLOWED.contains(&file.as_str()) {
            wrong.push(format!("{file} is in it: only the sources belong there"));
        }
        if KEYS.iter().any(|ending| file.ends_with(ending)) {
            wrong.push(format!(
                "{file} is in it, which looks like a key or a certificate"
            ));
        }
        let text = text(file);
        if has_private_key(&text) {
            wrong.push(format!("{file} has a private key in it"));
        }
        if file == "README.md" {
            let links = relative_links(&text);
            wrong.extend(links.iter().map(|link| {
                format!("README.md links to {link}, which is nowhere on crates.io and docs.rs")
            }));
        }
    }
    wrong
}

/// Whether a key in PEM follows its first line: code may name that line.
fn has_private_key(text: &str) -> bool {
    text.match_indices("PRIVATE KEY-----").any(|(at, mark)| {
        let rest = text[at + mark.len()..].trim_start_matches(['\r', '\n', '\\', 'n', ' ']);
        let body: usize = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
            .count();
        body >= 32
    })
}

/// Links of a document to files beside it.
fn relative_links(text: &str) -> Vec<&str> {
    let inline = text
        .match_indices("](")
        .filter_map(|(at, mark)| text[at + mark.len()..].split([')', ' ']).next());
    let defined = text
        .lines()
        .filter(|line| line.starts_with('['))
        .filter_map(|line| line.split_once("]: ").map(|(_, link)| link.trim()));
    inline
        .chain(defined)
        .filter(|link| {
            let is_item = link.contains("::") || !link.contains(['.', '/']);
            !is_item && !link.starts_with('#') && !link.contains("://")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut all: Vec<(&str, &str)> = NEEDED.iter().map(|needed| (*needed, "")).collect();
        all.extend(files);
        let names: Vec<String> = all.iter().map(|(name, _)| (*name).to_owned()).collect();
        defects(&names, |file| {
            let with_text = all.iter().rev().find(|(name, _)| *name == file);
            with_text
                .map(|(_, text)| (*text).to_owned())
                .unwrap_or_default()
        })
    }

    #[test]
    fn a_package_has_its_licences_and_its_sources_and_nothing_else() {
        assert_eq!(found(&[("src/lib.rs", ""), ("src/a/b.lua", "")]), [""; 0]);
        for (file, words) in [
            ("tests/it/main.rs", "only the sources belong there"),
            (
                "proptest-regressions/a.txt",
                "only the sources belong there",
            ),
            ("src/tls/server.key", "looks like a key"),
        ] {
            let found = found(&[(file, "")]);
            assert!(found[0].contains(words), "{file}: {found:?}");
        }
        let without: Vec<String> = ["Cargo.toml".to_owned()].into();
        let found = defects(&without, |_| String::new());
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "LICENSE-APACHE is not in it");
    }

    #[test]
    fn a_private_key_is_found_wherever_it_is_and_its_name_alone_is_none() {
        let body = "MC4CAQAwBQYDK2VwBCIEIFXrhsgQCLOVQMcBS5Cvs";
        for key in [
            format!("-----BEGIN PRIVATE KEY-----\n{body}"),
            format!("\"-----BEGIN EC PRIVATE KEY-----\\n{body}\""),
        ] {
            assert!(has_private_key(&key), "{key}");
        }
        for name in [
            "-----BEGIN PRIVATE KEY-----",
            "\"-----END PRIVATE KEY-----\";\nlet a",
        ] {
            assert!(!has_private_key(name), "{name}");
        }
    }

    #[test]
    fn a_link_to_a_file_beside_it_is_red_and_one_to_an_item_is_not() {
        let found = |text| relative_links(text).len();
        assert_eq!(
            found("[a](../b) [c](docs/d.md#e) [f](g.md)\n[h]: ../i\n"),
            4
        );
        assert_eq!(
            found("[a](https://docs.rs/b) [c](#d) [e](crate::F) [g](Service)"),
            0
        );
    }
}
