//! Node, npm and the packages of the peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{installers, sh};

/// Where the peers are in the repository.
const SOURCE: &str = "crates/civic-fleet/interop";

/// The oldest Node that both versions of NestJS run on, as major and minor.
const OLDEST: (u32, u32) = (20, 19);

/// What brings Node, by package manager.
pub(crate) const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install -y nodejs npm"),
    ("dnf", "dnf install -y nodejs npm"),
    ("apk", "apk add nodejs npm"),
    ("pacman", "pacman -S --noconfirm nodejs npm"),
    ("brew", "brew install node"),
];

/// A version of NestJS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Nest {
    V11,
    V12,
}

/// Why the packages of the peers are not installed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NotInstalled {
    /// The registry cannot be reached from here: nothing is wrong with the repository.
    Unreachable(String),
    Failed(String),
}

/// What npm says if it does not reach the registry.
const UNREACHABLE: [&str; 10] = [
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "EIDLETIMEOUT",
];

/// The version of Node, if it is new enough and npm is here; else what to do.
pub(crate) fn find() -> Result<String, String> {
    if sh::which("node").is_none() || sh::which("npm").is_none() {
        return Err(missing("Node with npm is not on the PATH"));
    }
    let version = sh::output(Command::new("node").arg("--version"))?;
    let version = version.trim();
    match parse(version) {
        Some(found) if found >= OLDEST => Ok(version.to_owned()),
        _ => Err(missing(&format!("Node {version} is too old"))),
    }
}

/// Copies the peers to the folder of this version of NestJS below `output` and installs the
/// packages that its lock file names, unless that is done. Returns the folder.
pub(super) fn install(nest: Nest, output: &Path) -> Result<PathBuf, NotInstalled> {
    let source = sh::root().join(SOURCE);
    let locked = source.join(nest.folder());
    let target = output.join(nest.folder());
    fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    for name in ["package.json", "package-lock.json"] {
        copy(&locked.join(name), &target.join(name))?;
    }
    for entry in entries(&source)? {
        if entry
            .extension()
            .is_some_and(|extension| extension == "mjs")
        {
            let name = entry.file_name().unwrap_or_default();
            copy(&entry, &target.join(name))?;
        }
    }

    // The lock file that was installed, so that another one is noticed.
    let stamp = target.join("installed.json");
    let lock = read(&target.join("package-lock.json"))?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(target);
    }
    println!("    installing the Node peers into {}", target.display());
    sh::output(
        Command::new("npm")
            .args([
                "ci",
                "--ignore-scripts",
                "--prefer-offline",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                // Where no registry is, it says so after seconds and not minutes.
                "--fetch-retry-mintimeout=1000",
                "--fetch-retry-maxtimeout=5000",
            ])
            .current_dir(&target),
    )
    .map_err(NotInstalled::of)?;
    fs::write(&stamp, lock).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(target)
}

// ===== impl NotInstalled =====

impl NotInstalled {
    /// Reads what npm said.
    fn of(said: String) -> Self {
        match UNREACHABLE.iter().any(|code| said.contains(code)) {
            true => Self::Unreachable(said),
            false => Self::Failed(said),
        }
    }
}

impl From<String> for NotInstalled {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

impl From<NotInstalled> for String {
    fn from(error: NotInstalled) -> Self {
        match error {
            NotInstalled::Unreachable(said) | NotInstalled::Failed(said) => said,
        }
    }
}

fn missing(what: &str) -> String {
    let (major, minor) = OLDEST;
    let install =
        installers::line(&INSTALLERS).map_or_else(String::new, |line| format!("\n    {line}"));
    format!(
        "{what}. The Node peers need Node {major}.{minor} or later. Install it, then run this again:{install}\n    \
         (https://nodejs.org/en/download has newer versions than some package managers)"
    )
}

/// Major and minor of `v20.20.2`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| format!("{}: {error}", folder.display()))
}

// ===== impl Nest =====

impl Nest {
    #[cfg(test)]
    const ALL: [Self; 2] = [Self::V11, Self::V12];

    /// The folder of its lock file.
    fn folder(self) -> &'static str {
        match self {
            Self::V11 => "nest11",
            Self::V12 => "nest12",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_is_read_and_compared_by_number() {
        assert_eq!(parse("v20.20.2"), Some((20, 20)));
        assert!(parse("v20.9.0") < Some(OLDEST));
        assert!(parse("v22.0.0") > Some(OLDEST));
        assert_eq!(parse("20"), None);
    }

    #[test]
    fn a_registry_that_is_not_reached_is_told_from_a_lock_file_that_is_wrong() {
        let said = "`npm ci` failed: exit status: 1\nnpm error code ";
        for (code, is_unreachable) in [
            ("ENOTFOUND\nnpm error syscall getaddrinfo", true),
            ("ECONNREFUSED\nnpm error errno ECONNREFUSED", true),
            ("ENOTCACHED\nnpm error request was made", true),
            ("EUSAGE\nnpm error `npm ci` can only install", false),
            ("EINTEGRITY\nnpm error sha512", false),
            ("E404\nnpm error 404 Not Found", false),
        ] {
            let found = NotInstalled::of(format!("{said}{code}"));
            assert_eq!(
                matches!(found, NotInstalled::Unreachable(_)),
                is_unreachable,
                "{code}"
            );
            assert!(String::from(found).contains(code), "it is passed on");
        }
    }

    #[test]
    fn a_machine_without_node_is_told_what_to_run() {
        let message = missing("Node with npm is not on the PATH");
        assert!(message.contains("Node 20.19 or later"), "{message}");
        assert!(message.contains("nodejs.org"), "{message}");
    }

    #[test]
    fn the_lock_files_pin_every_package_and_name_no_address() {
        for nest in Nest::ALL {
            let folder = sh::root().join(SOURCE).join(nest.folder());
            let lock = read(&folder.join("package-lock.json")).expect("a lock file");
            assert!(!lock.contains("://"), "{nest:?} names an address");
            let lock: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
            let packages = lock["packages"].as_object().expect("packages");
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                assert!(package["integrity"].is_string(), "{nest:?}: {name}");
            }
            let manifest = read(&folder.join("package.json")).expect("a manifest");
            let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
            for (name, version) in manifest["dependencies"].as_object().expect("dependencies") {
                let exact = version.as_str().and_then(|text| text.chars().next());
                assert!(
                    exact.is_some_and(|c| c.is_ascii_digit()),
                    "{nest:?}: {name}"
                );
            }
        }
    }
}
