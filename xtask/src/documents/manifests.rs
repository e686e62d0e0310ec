//! Blocks of TOML that documents show: parts of a `Cargo.toml`, as a reader pastes them.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::{fs, io};

use serde_json::Value;

use crate::sh::{self, cargo_command};

/// What cargo knows of the packages that a document may name.
pub(super) struct Manifests {
    /// Versions and features of every package of this workspace and of those that it uses.
    packages: BTreeMap<String, Vec<Version>>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Version {
    number: String,
    features: Vec<String>,
}

/// What stands before a part that is no whole manifest.
const PACKAGE: &str = "[package]\nname = \"shown\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";

// ===== impl Manifests =====

impl Manifests {
    pub(super) fn new() -> Result<Self, String> {
        let about = sh::output(&mut cargo_command(["-vV"]))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let text = sh::output(&mut cargo_command([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            host.ok_or("cargo -vV names no host")?,
        ]))?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        let mut packages: BTreeMap<String, Vec<Version>> = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let (Some(name), Some(number)) =
                (package["name"].as_str(), package["version"].as_str())
            else {
                continue;
            };
            let features = package["features"].as_object().into_iter().flatten();
            packages.entry(name.to_owned()).or_default().push(Version {
                number: number.to_owned(),
                features: features.map(|(name, _)| name.clone()).collect(),
            });
        }
        // A project beside a checkout, as the documents have it.
        let beside = sh::target().join("documents");
        let folder = beside.join("shown");
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder.join("src")).map_err(failed)?;
        fs::write(folder.join("src/lib.rs"), "").map_err(failed)?;
        let checkout = beside.join("civic");
        if !checkout.exists() {
            symlink(sh::root(), &checkout).map_err(failed)?;
        }
        Ok(Self { packages, folder })
    }

    /// Says what is wrong with the dependencies that a block shows.
    pub(super) fn wrong(&self, block: &str) -> Result<Vec<String>, String> {
        let manifest = self.folder.join("Cargo.toml");
        fs::write(&manifest, whole(block)).map_err(|error| error.to_string())?;
        let mut command = cargo_command(["metadata", "--no-deps", "--format-version", "1"]);
        let text = match sh::output(command.arg("--manifest-path").arg(&manifest)) {
            Ok(text) => text,
            Err(error) => return Ok(vec![error]),
        };
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        let dependencies = metadata["packages"][0]["dependencies"].as_array();
        Ok(dependencies
            .into_iter()
            .flatten()
            .filter_map(|dependency| self.wrong_dependency(dependency))
            .collect())
    }

    fn wrong_dependency(&self, dependency: &Value) -> Option<String> {
        let name = dependency["name"].as_str().unwrap_or_default();
        let Some(versions) = self.packages.get(name) else {
            return Some(format!(
                "`{name}` is no package that this workspace has or uses, so nothing that is shown \
                 with it was ever built"
            ));
        };
        let asked = dependency["req"].as_str().unwrap_or_default();
        let path = dependency["path"].as_str();
        if path.is_some_and(|path| {
            !path
                .replace('\\', "/")
                .ends_with(&format!("/crates/{name}"))
        }) {
            return Some(format!(
                "`{name}` is in crates/{name}, and the path leads elsewhere"
            ));
        }
        let Some(version) = versions
            .iter()
            .find(|version| is_of(asked, &version.number))
        else {
            let numbers: Vec<_> = versions.iter().map(|version| &*version.number).collect();
            return Some(format!(
                "`{name}` is {} here, not {asked}",
                numbers.join(" and ")
            ));
        };
        dependency["features"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|feature| !version.features.iter().any(|known| known == feature))
            .map(|feature| {
                format!(
                    "`{name}` has no feature `{feature}`; it has {}",
                    version.features.join(", ")
                )
            })
    }
}

/// A manifest of what may be a part of one.
fn whole(block: &str) -> String {
    let first = block
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default();
    let mut manifest = String::new();
    if !block.lines().any(|line| line.trim() == "[package]") {
        manifest.push_str(PACKAGE);
    }
    // Lines without a table are dependencies.
    if !first.starts_with('[') {
        manifest.push_str("\n[dependencies]\n");
    }
    manifest.push_str(block);
    // Its own workspace: it is inside the folder of another one.
    manifest + "\n[workspace]\n"
}

/// Whether a version is one that a caret requirement means; `*` means any.
fn is_of(asked: &str, version: &str) -> bool {
    let asked = asked.trim_start_matches(['^', '=', '~']);
    if asked == "*" {
        return true;
    }
    let parts = |text: &str| -> Vec<u64> {
        text.split('.')
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let (asked, version) = (parts(asked), parts(version));
    // Up to the first number that is not 0 they are equal; the rest is not larger.
    let fixed = asked
        .iter()
        .position(|part| *part != 0)
        .map_or(asked.len(), |at| at + 1);
    !asked.is_empty()
        && version.get(..fixed) == asked.get(..fixed)
        && version[fixed..] >= asked[fixed..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_a_manifest_is_made_whole() {
        assert_eq!(
            whole("a = \"1\""),
            format!("{PACKAGE}\n[dependencies]\na = \"1\"\n[workspace]\n")
        );
        assert_eq!(
            whole("# x\n[dev-dependencies]\na = \"1\""),
            format!("{PACKAGE}# x\n[dev-dependencies]\na = \"1\"\n[workspace]\n")
        );
        assert_eq!(
            whole("[package]\nname = \"a\""),
            "[package]\nname = \"a\"\n[workspace]\n"
        );
    }

    #[test]
    fn a_version_is_that_which_cargo_would_take() {
        for (asked, version) in [
            ("^1", "1.48.0"),
            ("^1.2", "1.2.0"),
            ("^0.8", "0.8.9"),
            ("^0.8.9", "0.8.9"),
            ("*", "0.1.0"),
        ] {
            assert!(is_of(asked, version), "{asked} {version}");
        }
        for (asked, version) in [
            ("^2", "1.48.0"),
            ("^1.49", "1.48.0"),
            ("^0.7", "0.8.9"),
            ("^0.8.10", "0.8.9"),
            ("", "0.1.0"),
        ] {
            assert!(!is_of(asked, version), "{asked} {version}");
        }
    }

    #[test]
    fn a_dependency_that_is_not_there_is_refused_by_what_it_lacks() {
        let version = Version {
            number: "0.1.0".to_owned(),
            features: vec!["axum".to_owned(), "default".to_owned()],
        };
        let manifests = Manifests {
            packages: BTreeMap::from([("civic-auth".to_owned(), vec![version])]),
            folder: PathBuf::new(),
        };
        let wrong = |name: &str, req: &str, features: &[&str], path: Option<&str>| {
            manifests.wrong_dependency(&json!({
                "name": name, "req": req, "features": features, "path": path,
            }))
        };
        assert_eq!(wrong("civic-auth", "^0.1", &["axum"], None), None);
        let path = Some("/w/civic/crates/civic-auth");
        assert_eq!(wrong("civic-auth", "*", &[], path), None);
        for (found, says) in [
            (wrong("civic-oath", "^0.1", &[], None), "no package"),
            (wrong("civic-auth", "^0.2", &[], None), "is 0.1.0 here"),
            (wrong("civic-auth", "^0.1", &["axumm"], None), "it has axum"),
            (wrong("civic-auth", "*", &[], Some("/w/auth")), "elsewhere"),
        ] {
            assert!(
                found.as_deref().is_some_and(|found| found.contains(says)),
                "{found:?}"
            );
        }
    }
}
