//! What cargo knows of the workspace's packages.

use std::path::PathBuf;

use serde_json::Value;

use crate::sh::{self, cargo_command};

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package(Value);

/// An example of a package.
#[derive(Debug)]
pub(crate) struct Example<'p> {
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    /// The features that it needs.
    pub(crate) features: Vec<&'p str>,
}

// ===== impl Package =====

impl Package {
    /// Every package of the workspace.
    pub(crate) fn all() -> Result<Vec<Self>, String> {
        let mut metadata = Self::metadata()?;
        let packages = metadata["packages"].as_array_mut();
        let packages = packages.ok_or("cargo metadata names no packages")?;
        Ok(packages.drain(..).map(Self).collect())
    }

    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let found = Self::all()?
            .into_iter()
            .find(|package| package.name() == name);
        found.ok_or_else(|| format!("cargo metadata does not know {name}"))
    }

    fn metadata() -> Result<Value, String> {
        let text = sh::output(&mut cargo_command([
            "metadata",
            "--locked",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))
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

    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// Returns its examples.
    pub(crate) fn examples(&self) -> Vec<Example<'_>> {
        let targets = self.0["targets"].as_array().into_iter().flatten();
        targets
            .filter(|target| target["kind"][0] == "example")
            .filter_map(|target| {
                let features = target["required-features"].as_array().into_iter().flatten();
                Some(Example {
                    name: target["name"].as_str()?.to_owned(),
                    source: PathBuf::from(target["src_path"].as_str()?),
                    features: features.filter_map(Value::as_str).collect(),
                })
            })
            .collect()
    }

    /// Whether it has a target of this kind and name.
    pub(crate) fn has_target(&self, kind: &str, name: &str) -> bool {
        let targets = self.0["targets"].as_array().into_iter().flatten();
        let mut targets = targets.filter(|target| target["kind"][0] == kind);
        targets.any(|target| target["name"] == name)
    }

    /// The oldest Rust that it declares.
    pub(crate) fn rust_version(&self) -> Option<&str> {
        self.0["rust_version"].as_str()
    }

    pub(crate) fn repository(&self) -> Option<&str> {
        self.0["repository"].as_str()
    }

    /// What crates.io asks for and this lacks, or what it would refuse.
    pub(crate) fn refused(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for member in ["description", "license", "readme", "repository"] {
            if self.0[member].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("it has no `{member}`"));
            }
        }
        let texts = |member: &str| -> Vec<&str> {
            let values = self.0[member].as_array().into_iter().flatten();
            values.filter_map(Value::as_str).collect()
        };
        for member in ["categories", "keywords"] {
            match texts(member).len() {
                0 => wrong.push(format!("it has no `{member}`")),
                1..=5 => {}
                many => wrong.push(format!("it has {many} `{member}`, and five are allowed")),
            }
        }
        for keyword in texts("keywords") {
            let is_good = keyword.len() <= 20
                && keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
                && keyword
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c));
            if !is_good {
                wrong.push(format!("the keyword `{keyword}` is not allowed"));
            }
        }
        wrong
    }

    /// The crates of the workspace that it depends on, those that only its tests need left out.
    pub(crate) fn local_dependencies(&self) -> Vec<&str> {
        let dependencies = self.0["dependencies"].as_array();
        dependencies
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"] != "dev" && dependency["path"].is_string())
            .filter_map(|dependency| dependency["name"].as_str())
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
