//! The workflows, the forms and the list of updates.

use serde_json::Value;

use crate::support::{commands, files, read, root, yaml};

/// Every `run:` of a workflow, with the values of its matrix written out.
fn runs(workflow: &Value) -> Vec<String> {
    let mut runs = Vec::new();
    for job in workflow["jobs"].as_object().expect("jobs").values() {
        let matrix = &job["strategy"]["matrix"]["command"];
        let values: Vec<&str> = match matrix.as_array() {
            Some(values) => values.iter().filter_map(Value::as_str).collect(),
            None => vec![""],
        };
        for step in job["steps"].as_array().expect("steps") {
            assert!(
                step["run"].is_string() != step["uses"].is_string(),
                "a step either runs or uses something: {step}"
            );
            if let Some(uses) = step["uses"].as_str() {
                let (action, version) = uses.split_once('@').expect("a version");
                assert!(
                    action.starts_with("actions/") && version.starts_with('v'),
                    "{uses}"
                );
            }
            for value in &values {
                if let Some(run) = step["run"].as_str() {
                    runs.push(run.replace("${{ matrix.command }}", value));
                }
            }
        }
    }
    runs
}

#[test]
fn every_workflow_runs_commands_that_exist_and_may_only_read() {
    let commands = commands();
    for file in files(".github/workflows", ".yml") {
        let documents = yaml(&file);
        let [workflow] = &documents[..] else {
            panic!("{file} is one document")
        };
        assert!(workflow["on"].is_object(), "{file}: `on` is no boolean");
        assert_eq!(workflow["permissions"]["contents"], "read", "{file}");
        for job in workflow["jobs"].as_object().expect("jobs").values() {
            assert!(job["timeout-minutes"].is_u64(), "{file}: a job has a limit");
            assert_eq!(job["env"]["CIVIC_INSTALL"], "always", "{file}");
        }
        let runs = runs(workflow);
        assert!(!runs.is_empty(), "{file} runs nothing");
        for run in runs {
            let command = run.strip_prefix("cargo xtask ").expect("a command of ours");
            let name = command.split(' ').next().unwrap_or_default();
            assert!(commands.iter().any(|own| own == name), "{file}: {run}");
        }
    }
}

#[test]
fn the_workflow_of_a_change_runs_what_a_developer_runs() {
    let workflow = yaml(".github/workflows/ci.yml").remove(0);
    assert!(runs(&workflow).contains(&"cargo xtask ci".to_owned()));
    for event in ["push", "pull_request"] {
        assert!(
            workflow["on"]
                .as_object()
                .expect("events")
                .contains_key(event)
        );
    }
    let script = read(".ci/run");
    assert!(script.contains("exec cargo xtask ci\n"), "{script}");
}

#[test]
fn updates_are_looked_for_wherever_versions_are_locked() {
    let updates = yaml(".github/dependabot.yml").remove(0);
    assert_eq!(updates["version"], 2);
    let mut folders = Vec::new();
    for update in updates["updates"].as_array().expect("updates") {
        assert!(update["schedule"]["interval"].is_string(), "{update}");
        let ecosystem = update["package-ecosystem"].as_str().expect("an ecosystem");
        let file = match ecosystem {
            "cargo" => "Cargo.toml",
            "npm" => "package.json",
            "docker" => "Containerfile",
            "github-actions" => ".github",
            other => panic!("{other}"),
        };
        let list = update["directories"].as_array().cloned();
        for folder in list.unwrap_or_else(|| vec![update["directory"].clone()]) {
            let folder = folder
                .as_str()
                .expect("a folder")
                .trim_start_matches('/')
                .to_owned();
            assert!(
                root().join(&folder).join(file).exists(),
                "{ecosystem}: /{folder}"
            );
            folders.push(folder);
        }
    }
    // Whatever has a lock file of its own.
    for locked in [
        "",
        "crates/civic-fuzz",
        "crates/civic-models",
        "crates/civic-fleet/interop/nest11",
        "crates/civic-fleet/interop/nest12",
    ] {
        assert!(folders.iter().any(|folder| folder == locked), "/{locked}");
    }
}

#[test]
fn the_forms_of_issues_ask_and_warn_of_secrets() {
    for file in files(".github/ISSUE_TEMPLATE", ".yml") {
        let form = yaml(&file).remove(0);
        if file.ends_with("config.yml") {
            assert!(form["blank_issues_enabled"].is_boolean());
            continue;
        }
        for member in ["name", "description"] {
            assert!(form[member].is_string(), "{file}: {member}");
        }
        let mut ids = Vec::new();
        for part in form["body"].as_array().expect("a body") {
            let kind = part["type"].as_str().expect("a type");
            assert!(
                ["dropdown", "input", "markdown", "textarea"].contains(&kind),
                "{file}"
            );
            match kind {
                "markdown" => assert!(part["attributes"]["value"].is_string(), "{file}"),
                _ => {
                    assert!(part["attributes"]["label"].is_string(), "{file}");
                    ids.push(part["id"].as_str().expect("an id").to_owned());
                }
            }
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{file}: an id is a duplicate");
    }
    let bug = read(".github/ISSUE_TEMPLATE/bug.yml");
    assert!(bug.contains("A token, a secret") && bug.contains("SECURITY.md"));
    assert!(root().join(".github/PULL_REQUEST_TEMPLATE.md").is_file());
}

#[test]
fn the_commands_that_the_guides_name_exist() {
    let commands = commands();
    for file in [
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".github/PULL_REQUEST_TEMPLATE.md",
        "deploy/README.md",
    ] {
        for (at, mark) in read(file).match_indices("cargo xtask ") {
            let text = read(file);
            let rest = &text[at + mark.len()..];
            let name = rest
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .next()
                .unwrap_or_default();
            assert!(commands.iter().any(|own| own == name), "{file}: `{name}`");
        }
    }
}
