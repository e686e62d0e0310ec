//! The rules of the architecture that no compiler checks: who may depend on whom, and what is
//! documented.

use std::collections::BTreeSet;
use std::path::Path;

use crate::metadata::Package;
use crate::sh;

/// The crates that are published, and what must not be in the tree of each, with every feature on.
pub(crate) const PUBLISHED: &[(&str, &[&str])] = &[
    (
        "civic-envelope",
        &[
            "civic-auth",
            "civic-client",
            "civic-lock",
            "civic-server",
            "fred",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            "tokio",
            "tower",
        ],
    ),
    (
        "civic-auth",
        &[
            "civic-client",
            "civic-lock",
            "civic-server",
            "fred",
            "hyper",
            "hyper-util",
            "tower",
        ],
    ),
    (
        "civic-client",
        &["axum", "civic-lock", "civic-server", "fred", "reqwest"],
    ),
    (
        "civic-lock",
        &[
            "civic-auth",
            "civic-client",
            "civic-server",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            // A trial, which is never shipped.
            "redis",
        ],
    ),
    (
        "civic-server",
        &["civic-client", "civic-lock", "fred", "reqwest"],
    ),
    ("civic-cli", &["axum", "reqwest"]),
];

/// What is behind a feature, and so must not be in the tree of the crate without features.
const WITHOUT_FEATURES: &[(&str, &[&str])] = &[
    (
        "civic-envelope",
        &["tower-layer", "tower-service", "http-body", "axum-core"],
    ),
    ("civic-auth", &["axum-core", "axum"]),
    ("civic-client", &["flate2", "garde", "h2", "metrics"]),
    (
        "civic-lock",
        &["rustls", "http", "civic-envelope", "tower-layer"],
    ),
    ("civic-server", &["garde"]),
];

/// Libraries that only one folder of a crate names: the library, the crate's source folder, and the
/// folder in it.
const NAMED_IN_ONE_FOLDER: &[(&str, &str, &str)] = &[
    ("fred", "crates/civic-lock/src", "store/redis/client/fred"),
    (
        "redis",
        "crates/civic-lock/src",
        "store/redis/client/redis_rs",
    ),
    ("flate2", "crates/civic-client/src", "layer/collect_body"),
    ("h2", "crates/civic-client/src", "transport"),
    ("hickory_resolver", "crates/civic-client/src", "transport"),
    ("hyper", "crates/civic-client/src", "transport"),
    ("hyper_util", "crates/civic-client/src", "transport"),
];

/// Crates of this workspace that nothing published may depend on.
const UNPUBLISHED: &[&str] = &[
    "civic-bench",
    "civic-chaos",
    "civic-docs",
    "civic-fleet",
    "civic-fuzz",
    "civic-interop",
    "civic-plot",
    "civic-progress",
    "civic-simulate",
    "civic-testkit",
];

/// Checks every rule and reports all that are broken at once.
pub(crate) fn check() -> Result<(), String> {
    let mut broken = Vec::new();
    for (name, forbidden) in PUBLISHED {
        let tree = tree(name, "--all-features")?;
        for dependency in forbidden.iter().chain(UNPUBLISHED) {
            if tree.iter().any(|line| line == dependency) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
        let folder = sh::root().join("crates").join(name);
        let readme = folder.join("README.md");
        // A published program has no library.
        let file = ["src/lib.rs", "src/main.rs"]
            .into_iter()
            .find(|file| folder.join(file).is_file())
            .ok_or_else(|| format!("{name} has neither src/lib.rs nor src/main.rs"))?;
        let lib = read(&folder.join(file))?;
        if !readme.is_file() || !lib.contains("include_str!(\"../README.md\")") {
            broken.push(format!(
                "{name}'s README.md must be its crate documentation"
            ));
        }
        let package = Package::of(name)?;
        let features = package.features();
        let features = features.iter().map(|(feature, _)| *feature).collect();
        broken.extend(features_told(name, &features, &read(&readme)?));
        if !lib.contains("#![deny(missing_docs)]") {
            broken.push(format!("{name}'s {file} must deny missing_docs"));
        }
    }
    for (name, forbidden) in WITHOUT_FEATURES {
        let tree = tree(name, "--no-default-features")?;
        for dependency in *forbidden {
            if tree.iter().any(|line| line == dependency) {
                broken.push(format!(
                    "{name} must not depend on {dependency} unless a feature asks for it"
                ));
            }
        }
    }
    broken.extend(named_in_one_folder()?);
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "these rules are broken:\n  - {}",
            broken.join("\n  - ")
        ))
    }
}

/// The names of everything that a crate depends on at run time.
fn tree(name: &str, features: &str) -> Result<Vec<String>, String> {
    let text = sh::output(&mut sh::cargo_command([
        "tree",
        "--locked",
        "--package",
        name,
        features,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{lib}",
    ]))?;
    // `{lib}` prints the library's name, with underscores.
    Ok(text
        .lines()
        .map(|line| line.trim().replace('_', "-"))
        .collect())
}

/// A library can be replaced in one folder as long as only files of that folder name it.
fn named_in_one_folder() -> Result<Vec<String>, String> {
    let mut broken = Vec::new();
    for (library, source, folder) in NAMED_IN_ONE_FOLDER {
        let allowed = Path::new(source).join(folder);
        for file in rust_files(&sh::root().join(source))? {
            let relative = file.strip_prefix(sh::root()).unwrap_or(&file);
            if !relative.starts_with(&allowed) && names(&read(&file)?, library) {
                broken.push(format!(
                    "{} names {library}: only files in {} may",
                    relative.display(),
                    allowed.display()
                ));
            }
        }
    }
    Ok(broken)
}

/// Returns whether code outside of comments names the library.
fn names(text: &str, library: &str) -> bool {
    let path = format!("{library}::");
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        // `civic_hyper::` and `hyper_util::` are not `hyper::`.
        code.match_indices(&path).any(|(at, _)| {
            // `::hyper::` is `hyper::`, and `a::hyper::` is not.
            let before = code[..at].strip_suffix("::").unwrap_or(&code[..at]);
            !before.ends_with(|c: char| c == '_' || c == '>' || c.is_alphanumeric())
        }) || [";", " as "]
            .iter()
            .any(|end| code.contains(&format!("use {library}{end}")))
    })
}

/// The table of features in a crate's README has each of its features, and no other.
fn features_told(name: &str, features: &BTreeSet<&str>, readme: &str) -> Vec<String> {
    let told: BTreeSet<&str> = readme
        .lines()
        .skip_while(|line| line.trim_start_matches('#') != " Features")
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let missing = features.difference(&told).map(|feature| {
        format!("{name}'s README.md does not tell of the feature {feature}: add it to the table under Features")
    });
    let extra = told
        .difference(features)
        .map(|feature| format!("{name}'s README.md tells of a feature that it has not: {feature}"));
    missing.chain(extra).collect()
}

fn rust_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?
    {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_in_the_readme_and_no_other() {
        let readme = "# a\n\n| `x` | no feature |\n\n## Features\n\n| feature |\n|---|\n| `tls` | TLS |\n| `old` | x |\n\n## Keys\n\n| `k` |\n";
        let features = BTreeSet::from(["layer", "tls"]);
        let told = features_told("a", &features, readme);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("not tell of the feature layer"),
            "{told:?}"
        );
        assert!(told[1].ends_with("has not: old"), "{told:?}");
        let features = BTreeSet::from(["old", "tls"]);
        assert_eq!(features_told("a", &features, readme), Vec::<String>::new());
    }

    #[test]
    fn a_library_is_named_by_a_path_and_not_by_a_comment_or_a_longer_name() {
        for code in [
            "use fred::Client;",
            "use fred;",
            "pub(crate) use fred as f;",
            "use ::fred::Client;",
            "let x = fred::Client::new();",
            "error.is::<fred::Error>()",
        ] {
            assert!(names(code, "fred"), "{code}");
        }
        for code in [
            "// fred::Client",
            "let fred = 1; // use fred::x",
            "use alfred::Client;",
            "use my_fred::Client;",
            "use crate::fred::Client;",
            "use fred_util::Client;",
        ] {
            assert!(!names(code, "fred"), "{code}");
        }
        // The folder of the store has the name of a library.
        assert!(names("let x = redis::cmd(\"PING\");", "redis"));
        for code in [
            "use crate::store::redis::url::ServerUrl;",
            "use civic_testkit::redis::RedisServer;",
            "use self::redis_rs::RedisRs;",
        ] {
            assert!(!names(code, "redis"), "{code}");
        }
    }
}
