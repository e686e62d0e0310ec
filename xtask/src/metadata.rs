//! What cargo knows of the workspace's packages.

use serde_json::Value;

use crate::sh::{self, cargo_command};

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package(Value);

// ===== impl Package =====

impl Package {
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let text = sh::output(&mut cargo_command([
            "metadata",
            "--locked",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        let mut metadata: Value = serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        metadata["packages"]
            .as_array_mut()
            .and_then(|packages| packages.iter_mut().find(|package| package["name"] == name))
            .map(|package| Self(package.take()))
            .ok_or_else(|| format!("cargo metadata does not know {name}"))
    }

    #[cfg(test)]
    pub(crate) fn new(json: Value) -> Self {
        Self(json)
    }

    /// The names of its dependencies at run time that are not optional.
    pub(crate) fn dependencies(&self) -> Vec<&str> {
        let dependencies = self.0["dependencies"].as_array();
        dependencies
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
            .filter_map(|dependency| dependency["name"].as_str())
            .collect()
    }

    /// Its features and what each enables, but for `default`.
    pub(crate) fn features(&self) -> Vec<(&str, Vec<&str>)> {
        let features = self.0["features"].as_object();
        features
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "default")
            .map(|(name, enables)| {
                let enables = enables.as_array().into_iter().flatten();
                (name.as_str(), enables.filter_map(Value::as_str).collect())
            })
            .collect()
    }

    pub(crate) fn version(&self) -> &str {
        self.0["version"].as_str().unwrap_or_default()
    }

    /// Whether other crates can depend on it: it is more than a program.
    pub(crate) fn is_library(&self) -> bool {
        self.0["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|target| target["kind"][0] == "lib")
    }
}
