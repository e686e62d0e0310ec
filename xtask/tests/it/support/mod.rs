//! Reading the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().expect("a parent").to_path_buf()
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of a folder with one of these endings.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    let mut files: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| format!("{folder}/{}", name.to_string_lossy()))
        .filter(|name| name.ends_with(ending))
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "{folder} has no file that ends with {ending}"
    );
    files
}

/// The documents of a YAML file. One that cannot be parsed, or has a member twice, fails the test.
pub(crate) fn yaml(file: &str) -> Vec<Value> {
    let documents =
        YamlLoader::load_from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let documents: Vec<Value> = documents.iter().map(json).collect();
    assert!(!documents.is_empty(), "{file} is empty");
    documents
}

/// The same value as JSON, of which the tests ask.
fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Boolean(value) => (*value).into(),
        Yaml::Hash(members) => {
            let members = members.iter().map(|(name, value)| {
                let name = name.as_str().expect("the name of a member is text");
                (name.to_owned(), json(value))
            });
            Value::Object(members.collect())
        }
        Yaml::Integer(value) => (*value).into(),
        Yaml::Null => Value::Null,
        Yaml::String(text) => text.as_str().into(),
        other => panic!("{other:?} has no place in these files"),
    }
}

/// Runs `cargo xtask` with these arguments.
pub(crate) fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("it can be started")
}

/// The names of the commands.
pub(crate) fn commands() -> Vec<String> {
    let help = String::from_utf8(xtask(&[]).stdout).expect("text");
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    lines
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}
