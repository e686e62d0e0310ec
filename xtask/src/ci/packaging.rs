//! Each published crate can be built from its package.
//!
//! `cargo package` would verify that too, but in a target folder of its own: it would build every
//! dependency of every crate once more. Here the unpacked packages are a workspace of their own,
//! which shares the target folder, the profile and the versions of this one, so that only the
//! packages themselves are new to the compiler.

use std::path::Path;
use std::process::Command;

use crate::package::{Packed, Tree, pack};
use crate::{sh, suite};

/// Packs, unpacks and checks every published crate.
pub(super) fn check() -> Result<(), String> {
    let unpacked = sh::target().join("package").join("unpacked");
    let packages = pack(&unpacked, Tree::AsItIs)?;
    let failed = |error: std::io::Error| format!("{}: {error}", unpacked.display());
    let members: Vec<(&str, String)> = packages
        .iter()
        .map(|Packed { name, version, .. }| (*name, format!("{name}-{version}")))
        .collect();
    std::fs::write(unpacked.join("Cargo.toml"), manifest(&members)).map_err(failed)?;
    std::fs::copy(sh::root().join("Cargo.lock"), unpacked.join("Cargo.lock")).map_err(failed)?;
    for package in &packages {
        sh::run(&mut check_of(package.name, &unpacked))?;
    }
    Ok(())
}

/// A workspace of the packages, in which they depend on each other and not on the registry.
fn manifest(members: &[(&str, String)]) -> String {
    let list = |line: &dyn Fn(&str, &str) -> String| -> String {
        members
            .iter()
            .map(|(name, folder)| line(name, folder))
            .collect()
    };
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\n{}]\n\n[patch.crates-io]\n{}",
        list(&|_, folder| format!("    \"{folder}\",\n")),
        list(&|name, folder| format!("{name} = {{ path = \"{folder}\" }}\n")),
    )
}

/// Checks one package with its default features, as a crate that depends on it builds it.
fn check_of(name: &str, unpacked: &Path) -> Command {
    // Not `--locked`: cargo takes out of the lock file what only the workspace's other crates need.
    let mut command = suite::sharing_target(["check", "--quiet", "--package", name]);
    command.current_dir(unpacked);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_depend_on_each_other() {
        let members = [("civic-a", "civic-a-0.1.0".to_owned())];
        assert_eq!(
            manifest(&members),
            "[workspace]\nresolver = \"3\"\nmembers = [\n    \"civic-a-0.1.0\",\n]\n\n\
             [patch.crates-io]\ncivic-a = { path = \"civic-a-0.1.0\" }\n"
        );
    }
}
