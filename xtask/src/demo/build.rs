//! Builds the programs of the demo and finds what was built.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sh;

/// The programs of the demo.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// The operator's tool.
    pub(super) civic: PathBuf,
    /// The example services.
    pub(super) fleet: PathBuf,
}

/// Builds the programs with the cargo that runs this one, and returns their executables, wherever
/// the target folder is.
pub(super) fn programs() -> Result<Programs, String> {
    let output = Command::new(sh::cargo())
        .args([
            "build",
            "--package",
            "civic-cli",
            "--package",
            "civic-fleet",
        ])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err("the programs of the demo do not build".to_owned());
    }
    let messages: Vec<Value> = String::from_utf8_lossy(&output.stdout)
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
    Ok(Programs {
        civic: executable("civic")?,
        fleet: executable("civic-fleet")?,
    })
}
