//! Which third-party types the published crates show in their public signatures.
//!
//! Each is a decision: a dependency that is shown cannot be replaced, or updated over a breaking
//! version, without breaking this crate too. What may be shown is listed here.
//!
//! rustdoc writes the public items as JSON. That output is unstable, so this command tells rustdoc,
//! and rustdoc alone, to take itself for a nightly one; the compiler stays the pinned one, and what
//! it built stays valid.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::metadata::Package;
use crate::rules::PUBLISHED;
use crate::sh;

/// Crates whose types may be shown by every published crate.
const EVERYWHERE: &[&str] = &[
    "alloc",
    "bytes",
    "core",
    // `Stream`, until it is in the standard library.
    "futures_core",
    "garde",
    "http",
    "http_body",
    "serde",
    // Where serde's traits are defined.
    "serde_core",
    "std",
    "tower_layer",
    "tower_service",
    "tracing",
];

/// Single types that may be shown by every published crate: a signature is better for them.
const TYPES: &[&str] = &[
    // A macro writes it into the bounds of `Unpin`; it is nothing that anyone can name or rely on.
    "pin_project_lite::__private::PinnedFieldsOf",
    // The stream of a server that listens in memory: what a test drives it with.
    "tokio::io::async_read::AsyncRead",
    "tokio::io::async_write::AsyncWrite",
    "tokio::io::read_buf::ReadBuf",
    "tokio::time::instant::Instant",
    "tokio_util::sync::cancellation_token::CancellationToken",
];

/// Crates of axum. Without a feature `axum`, only civic-server may depend on them.
const AXUM: &[&str] = &["axum", "axum_core"];

/// The crate that is made for axum.
const SERVER: &str = "civic-server";

/// In its environment this program is rustdoc: the path of the real one.
const AS_RUSTDOC: &str = "CIVIC_XTASK_RUSTDOC";

/// A type of another crate in a public signature.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Shown {
    file: String,
    line: u64,
    /// The name of the item, if it has one: an implementation has none.
    item: String,
    /// The path of the type, in the crate that defines it.
    shown: String,
}

/// Becomes rustdoc, if that is what this program was started as.
pub(crate) fn become_rustdoc() -> Result<(), String> {
    let Some(rustdoc) = std::env::var_os(AS_RUSTDOC) else {
        return Ok(());
    };
    let error = Command::new(rustdoc)
        .args(std::env::args_os().skip(1))
        .env_remove(AS_RUSTDOC)
        .env("RUSTC_BOOTSTRAP", "1")
        .exec();
    Err(format!("rustdoc cannot be started: {error}"))
}

/// Checks the published libraries, with every feature on, in what [`document`] has written.
pub(crate) fn check() -> Result<(), String> {
    let mut broken = Vec::new();
    for (name, _) in PUBLISHED {
        let package = Package::of(name)?;
        if *name != SERVER {
            broken.extend(
                axum_elsewhere(&package)
                    .into_iter()
                    .map(|way| format!("{name}: {way} brings axum in: only a feature `axum` may")),
            );
        }
    }
    for name in libraries()? {
        let path = json_of(name);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let json =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        for shown in shown(&json).map_err(|error| format!("{}: {error}", path.display()))? {
            if !may_show(&shown.shown) {
                broken.push(format!(
                    "{}:{}: {} shows {}",
                    shown.file, shown.line, shown.item, shown.shown
                ));
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!(
        "these public signatures show types of crates that are not on the list in {}: wrap the type, or decide that \
         it is shown and list it\n  - {}",
        file!(),
        broken.join("\n  - ")
    ))
}

/// The published crates that others can depend on.
pub(crate) fn libraries() -> Result<Vec<&'static str>, String> {
    let mut libraries = Vec::new();
    for (name, _) in PUBLISHED {
        if Package::of(name)?.is_library() {
            libraries.push(*name);
        }
    }
    Ok(libraries)
}

/// Where rustdoc writes the public items of a library.
pub(crate) fn json_of(name: &str) -> PathBuf {
    sh::target()
        .join("doc")
        .join(format!("{}.json", name.replace('-', "_")))
}

/// Has rustdoc write the public items of the libraries.
pub(crate) fn document() -> Result<(), String> {
    let itself = sh::itself()?;
    // Of the whole workspace: with other features, most of what it depends on were checked again.
    sh::run(
        sh::cargo_command([
            "doc",
            "--locked",
            "--workspace",
            "--all-features",
            "--no-deps",
        ])
        .arg("--lib")
        .env("RUSTDOC", itself)
        .env(AS_RUSTDOC, rustdoc()?)
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json"),
    )
}

/// The rustdoc beside the compiler that cargo uses here.
fn rustdoc() -> Result<PathBuf, String> {
    let sysroot = sh::output(
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--print", "sysroot"])
            .current_dir(sh::root()),
    )?;
    Ok(Path::new(sysroot.trim()).join("bin").join("rustdoc"))
}

/// How a crate that is not made for axum depends on it but by its feature `axum`.
fn axum_elsewhere(package: &Package) -> Vec<String> {
    let by_feature = package
        .features()
        .into_iter()
        .filter_map(|(name, enables)| {
            let brings = enables
                .iter()
                .filter_map(|enabled| enabled.strip_prefix("dep:"))
                .any(is_axum);
            (brings && name != "axum").then(|| format!("its feature `{name}`"))
        });
    let always = package
        .dependencies()
        .into_iter()
        .filter(|name| is_axum(name))
        .map(|name| format!("its dependency `{name}`, which is not optional,"));
    by_feature.chain(always).collect()
}

fn is_axum(name: &str) -> bool {
    AXUM.contains(&name.replace('-', "_").as_str())
}

fn may_show(shown: &str) -> bool {
    let owner = shown.split("::").next().unwrap_or_default();
    EVERYWHERE.contains(&owner)
        || TYPES.contains(&shown)
        || AXUM.contains(&owner)
        || PUBLISHED
            .iter()
            .any(|(name, _)| name.replace('-', "_") == owner)
}

/// The types of other crates in the public items of a crate, from rustdoc's JSON.
fn shown(json: &Value) -> Result<BTreeSet<Shown>, String> {
    let owners: BTreeMap<&str, &str> = json["external_crates"]
        .as_object()
        .ok_or("rustdoc's JSON has no `external_crates`")?
        .iter()
        .filter_map(|(id, owner)| Some((id.as_str(), owner["name"].as_str()?)))
        .collect();
    let index = json["index"]
        .as_object()
        .ok_or("rustdoc's JSON has no `index`")?;
    let mut found = BTreeSet::new();
    for item in index.values().filter(|item| item["crate_id"] == 0) {
        if is_made_by_the_compiler(item) {
            continue;
        }
        let mut ids = BTreeSet::new();
        ids_in(&item["inner"], &mut ids);
        for id in ids {
            let summary = &json["paths"][id.to_string()];
            let owner = summary["crate_id"].to_string();
            let (Some(path), Some(owner)) =
                (summary["path"].as_array(), owners.get(owner.as_str()))
            else {
                // One of the crate's own, or private.
                continue;
            };
            let names: Vec<&str> = path.iter().skip(1).filter_map(Value::as_str).collect();
            found.insert(Shown {
                file: item["span"]["filename"]
                    .as_str()
                    .unwrap_or("(made by a macro)")
                    .to_owned(),
                line: item["span"]["begin"][0].as_u64().unwrap_or_default(),
                item: match item["name"].as_str() {
                    Some(name) => format!("`{name}`"),
                    None => "an implementation or re-export".to_owned(),
                },
                shown: format!("{}::{}", owner.replace('-', "_"), names.join("::")),
            });
        }
    }
    Ok(found)
}

/// Whether the item is an implementation that no one wrote: of an auto trait, or by a blanket.
fn is_made_by_the_compiler(item: &Value) -> bool {
    let implementation = &item["inner"]["impl"];
    implementation["is_synthetic"] == true
        || implementation
            .get("blanket_impl")
            .is_some_and(|blanket| !blanket.is_null())
}

/// The ids of all the types and traits that are named in a part of an item.
fn ids_in(value: &Value, ids: &mut BTreeSet<u64>) {
    match value {
        Value::Object(members) => {
            let names_something = members.contains_key("path") || members.contains_key("source");
            if let Some(id) = members.get("id").and_then(Value::as_u64)
                && names_something
            {
                ids.insert(id);
            }
            for member in members.values() {
                ids_in(member, ids);
            }
        }
        Value::Array(values) => {
            for value in values {
                ids_in(value, ids);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate `civic_a` with one public item that has this signature.
    fn crate_with(inner: &Value) -> Value {
        json!({
            "index": {
                "1": {
                    "crate_id": 0,
                    "name": "f",
                    "span": {"filename": "crates/civic-a/src/b.rs", "begin": [7, 1]},
                    "inner": inner,
                },
                // What a trait of another crate looks like: not ours.
                "2": {
                    "crate_id": 20,
                    "name": "g",
                    "span": null,
                    "inner": {"function": {"output": path(10)}},
                },
            },
            "paths": {
                "10": {"crate_id": 20, "path": ["fred", "error", "Error"], "kind": "struct"},
                "11": {"crate_id": 0, "path": ["civic_a", "A"], "kind": "struct"},
                "12": {"crate_id": 21, "path": ["http", "uri", "Uri"], "kind": "struct"},
            },
            "external_crates": {
                "20": {"name": "fred"},
                "21": {"name": "http"},
            },
        })
    }

    fn path(id: u64) -> Value {
        json!({"resolved_path": {"path": "X", "id": id, "args": null}})
    }

    fn refused(inner: &Value) -> Vec<String> {
        shown(&crate_with(inner))
            .expect("it is rustdoc's JSON")
            .into_iter()
            .filter(|shown| !may_show(&shown.shown))
            .map(|shown| {
                format!(
                    "{}:{} {} {}",
                    shown.file, shown.line, shown.item, shown.shown
                )
            })
            .collect()
    }

    #[test]
    fn types_that_are_listed_and_own_types_are_clean() {
        let signature = json!({"function": {"sig": {
            "inputs": [["a", path(11)], ["b", {"primitive": "u8"}]],
            "output": path(12),
        }}});
        assert_eq!(refused(&signature), [""; 0]);
    }

    #[test]
    fn a_type_that_is_not_listed_is_red_wherever_it_is_shown() {
        let bound = json!({"trait_bound": {"trait": {"path": "X", "id": 10, "args": null}}});
        for (place, inner) in [
            (
                "parameter",
                json!({"function": {"sig": {"inputs": [["a", path(10)]]}}}),
            ),
            ("field", json!({"struct_field": path(10)})),
            (
                "bound",
                json!({"function": {"generics": {"params": [{"bounds": [bound]}]}}}),
            ),
            (
                "argument of a type",
                json!({"function": {"sig": {"output": {"resolved_path": {
                    "path": "Result", "id": 12, "args": {"angle_bracketed": {"args": [path(10)]}},
                }}}}}),
            ),
            (
                "implementation",
                json!({"impl": {"trait": {"path": "X", "id": 10}, "for": path(11),
                    "blanket_impl": null, "is_synthetic": false}}),
            ),
            (
                "re-export",
                json!({"use": {"source": "fred::error::Error", "name": "Error", "id": 10}}),
            ),
        ] {
            assert_eq!(
                refused(&inner),
                ["crates/civic-a/src/b.rs:7 `f` fred::error::Error"],
                "{place}"
            );
        }
    }

    #[test]
    fn an_implementation_that_no_one_wrote_is_not_read() {
        let blanket = json!({"impl": {"trait": {"path": "X", "id": 10}, "blanket_impl": path(10)}});
        assert_eq!(refused(&blanket), [""; 0]);
        let synthetic = json!({"impl": {"trait": {"path": "X", "id": 10}, "is_synthetic": true}});
        assert_eq!(refused(&synthetic), [""; 0]);
    }

    #[test]
    fn of_tokio_two_types_are_listed() {
        assert!(may_show("tokio::time::instant::Instant"));
        assert!(!may_show("tokio::task::join::handle::JoinHandle"));
        assert!(may_show("civic_envelope::error_body::ErrorBody"));
    }

    #[test]
    fn axum_comes_by_a_feature_of_that_name_only() {
        let package = |features: Value, optional: bool| {
            Package::new(json!({
                "features": features,
                "dependencies": [{"name": "axum-core", "kind": null, "optional": optional}],
            }))
        };
        let axum = json!({"axum": ["dep:axum-core"]});
        assert_eq!(axum_elsewhere(&package(axum.clone(), true)), [""; 0]);
        assert_eq!(axum_elsewhere(&package(axum, false)).len(), 1);
        let extra = json!({"axum": [], "extra": ["dep:axum-core"]});
        assert_eq!(
            axum_elsewhere(&package(extra, true)),
            ["its feature `extra`"]
        );
    }
}
