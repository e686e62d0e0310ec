//! The programs that the demo, the chaos and the interop run: built, and found where cargo put
//! them.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::sh;

/// The packages of the programs. Each command builds these: with others, cargo would build what
/// they depend on with other features, and so once more.
const PACKAGES: &[&str] = &["civic-cli", "civic-fleet", "civic-chaos"];

/// The executables, wherever cargo put them.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The operator's tool.
    pub(crate) civic: PathBuf,
    /// The example services.
    pub(crate) fleet: PathBuf,
    /// The driver and checker of the chaos.
    pub(crate) chaos: PathBuf,
}

// ===== impl Programs =====

impl Programs {
    /// Builds them with the cargo that runs this program, wherever the target folder is.
    pub(crate) fn build() -> Result<Self, String> {
        Self::of(&built(PACKAGES)?)
    }

    /// Builds them, and the program of one more package.
    pub(crate) fn build_with(package: &str) -> Result<(Self, PathBuf), String> {
        let built = built(&[PACKAGES, &[package]].concat())?;
        Ok((Self::of(&built)?, executable(&built, package)?))
    }

    fn of(built: &[Value]) -> Result<Self, String> {
        Ok(Self {
            civic: executable(built, "civic")?,
            fleet: executable(built, "civic-fleet")?,
            chaos: executable(built, "civic-chaos")?,
        })
    }
}

/// Builds the programs of packages, and returns what cargo tells of it.
fn built(packages: &[&str]) -> Result<Vec<Value>, String> {
    let mut command = sh::cargo_command(["build", "--locked", "--bins"]);
    for package in packages {
        command.args(["--package", package]);
    }
    command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    Ok(sh::output(&mut command)?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// Where cargo put a program.
fn executable(built: &[Value], name: &str) -> Result<PathBuf, String> {
    built
        .iter()
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo built no executable `{name}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_is_where_cargo_says_and_one_that_was_not_built_is_an_error() {
        let built = [
            json!({"reason": "compiler-artifact", "target": {"name": "civic"}, "executable": null}),
            json!({"reason": "compiler-artifact", "target": {"name": "civic"}, "executable": "/t/civic"}),
        ];
        assert_eq!(executable(&built, "civic"), Ok(PathBuf::from("/t/civic")));
        assert_eq!(
            executable(&built, "civic-chaos"),
            Err("cargo built no executable `civic-chaos`".to_owned())
        );
    }
}
