//! The programs that the demo and the chaos run: built, and found where cargo put them.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::sh;

/// The packages of the programs. Both commands build the same ones: with other packages, cargo
/// would build what they depend on with other features, and so once more.
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
        let mut command = sh::cargo_command(["build", "--locked", "--bins"]);
        for package in PACKAGES {
            command.args(["--package", package]);
        }
        command
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit());
        let messages: Vec<Value> = sh::output(&mut command)?
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let executable = |name: &str| {
            messages
                .iter()
                .filter(|message| message["target"]["name"] == name)
                .find_map(|message| message["executable"].as_str().map(PathBuf::from))
                .ok_or_else(|| format!("cargo built no executable `{name}`"))
        };
        Ok(Self {
            civic: executable("civic")?,
            fleet: executable("civic-fleet")?,
            chaos: executable("civic-chaos")?,
        })
    }
}
