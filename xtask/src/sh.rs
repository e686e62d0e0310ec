//! Running other programs, with errors that name the command to run by hand.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where builds go: `CARGO_TARGET_DIR`, else `target`.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The cargo that runs this program, so that a pinned toolchain stays pinned.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// This program, to be started once more, even if cargo has put another one in its place since: the
/// steps of `ci` do, when they build the workspace with other features.
pub(crate) fn itself() -> Result<PathBuf, String> {
    let path = std::env::current_exe()
        .map_err(|error| format!("this program does not know where it is: {error}"))?;
    if path.exists() {
        return Ok(path);
    }
    // Linux: a link to the file itself, whatever became of its name.
    let link = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    match link.exists() {
        true => Ok(link),
        false => Err(format!(
            "{} is not there any more: start the command once more",
            path.display()
        )),
    }
}

/// `cargo` with these arguments, in the workspace's root.
pub(crate) fn cargo_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(cargo());
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    println!("    $ {shown}");
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{shown}` failed: {status}"))
    }
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command
        .output()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "`{shown}` failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` printed no UTF-8"))
}

/// Where a program is, searched on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLACED: &str = "XTASK_TEST_REPLACED";

    #[test]
    fn a_program_finds_itself_although_cargo_has_replaced_it() {
        let own = itself().expect("it is there");
        if std::env::var_os(REPLACED).is_some() {
            std::fs::remove_file(&own).expect("it can be removed");
            let output = output(Command::new(itself().expect("it runs")).arg("--list"));
            assert!(output.expect("it can be run").contains("although_cargo"));
            return;
        }
        let copy = std::env::temp_dir().join(format!("xtask-itself-{}", std::process::id()));
        std::fs::copy(own, &copy).expect("it can be copied");
        let test = "sh::tests::a_program_finds_itself_although_cargo_has_replaced_it";
        let ran = run(Command::new(&copy)
            .args(["--exact", test])
            .env(REPLACED, "yes"));
        assert!(!copy.exists(), "the test removed the program that ran it");
        assert_eq!(ran, Ok(()));
    }
}
