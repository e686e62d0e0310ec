//! The Containerfile: a small check of its instructions. No linter of its kind is here.

use crate::support::{read, root};

const FILE: &str = "deploy/Containerfile";

/// The instructions that are used, of those that there are.
const KNOWN: [&str; 12] = [
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "LABEL",
    "RUN",
    "STOPSIGNAL",
    "USER",
    "WORKDIR",
];

/// The instructions and their arguments, each on one line.
fn instructions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in read(FILE).lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => {
                open.push_str(line);
                let (name, rest) = open.split_once(' ').expect("an instruction has arguments");
                found.push((name.to_owned(), rest.trim().to_owned()));
                open.clear();
            }
        }
    }
    assert!(open.is_empty(), "the last line goes on");
    found
}

/// The instructions of the stage that becomes the image.
fn last_stage() -> Vec<(String, String)> {
    let all = instructions();
    let from = all
        .iter()
        .rposition(|(name, _)| name == "FROM")
        .expect("a stage");
    all[from..].to_vec()
}

fn one(name: &str) -> String {
    let stage = last_stage();
    let mut found = stage.iter().filter(|(own, _)| own == name);
    let (_, rest) = found.next().unwrap_or_else(|| panic!("{name} is absent"));
    assert!(found.next().is_none(), "{name} is a duplicate");
    rest.clone()
}

#[test]
fn every_instruction_is_one_and_the_first_names_an_image() {
    let all = instructions();
    assert_eq!(all[0].0, "FROM");
    for (name, rest) in &all {
        assert!(KNOWN.contains(&name.as_str()), "{name} {rest}");
    }
    let stages: Vec<&str> = all
        .iter()
        .filter(|(name, _)| name == "FROM")
        .filter_map(|(_, rest)| rest.split(" AS ").nth(1))
        .collect();
    for (_, rest) in all.iter().filter(|(name, _)| name == "COPY") {
        if let Some(from) = rest.strip_prefix("--from=") {
            let stage = from.split(' ').next().unwrap_or_default();
            assert!(stages.contains(&stage), "{rest}: there is no such stage");
        }
    }
}

#[test]
fn it_builds_with_the_pinned_compiler_and_the_lock_file() {
    let toolchain = read("rust-toolchain.toml");
    let pinned = toolchain.split('"').nth(1).expect("a version");
    let all = instructions();
    let (minor, _) = pinned.rsplit_once('.').expect("three numbers");
    assert!(
        all[0].1.contains(&format!("/rust:{minor}-")),
        "{:?}",
        all[0]
    );
    let is_set = |value: &str| {
        all.iter()
            .any(|(name, rest)| name == "ENV" && rest == value)
    };
    assert!(is_set(&format!("RUSTUP_TOOLCHAIN={pinned}")));
    let (_, build) = all.iter().find(|(name, _)| name == "RUN").expect("a build");
    assert!(build.contains("cargo build --locked --release"), "{build}");
    let package = build.split("--package ").nth(1).expect("a package");
    let package = package.split(' ').next().unwrap_or_default();
    assert!(root().join("crates").join(package).is_dir(), "{package}");
}

#[test]
fn the_service_gets_its_signal_and_is_no_root() {
    assert_eq!(one("STOPSIGNAL"), "SIGTERM");
    for name in ["ENTRYPOINT", "CMD"] {
        // In brackets, no shell stands between the signal and the service.
        let words: Vec<String> = serde_json::from_str(&one(name)).expect(name);
        assert!(!words.is_empty(), "{name}");
    }
    let user = one("USER");
    let number = user.split(':').next().unwrap_or_default();
    assert!(
        number
            .parse::<u32>()
            .expect("a number, which a cluster can check")
            > 0
    );
    let stage = last_stage();
    let copied = stage
        .iter()
        .find(|(name, _)| name == "COPY")
        .expect("a program");
    let program = copied.1.split(' ').next_back().unwrap_or_default();
    assert!(one("ENTRYPOINT").contains(program), "{program}");
    let is_set = |value: &str| {
        stage
            .iter()
            .any(|(name, rest)| name == "ENV" && rest == value)
    };
    assert!(is_set("HOST=0.0.0.0") && is_set("NODE_ENV=production"));
}
