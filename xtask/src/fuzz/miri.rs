//! The targets of civic-envelope in Miri.
//!
//! The others call C code, for cryptography, which Miri cannot interpret. Without the feature
//! `native` none of it is built.

use std::process::Command;

use crate::sh;

/// Runs these targets over their seeds.
pub(super) fn run() -> Result<(), String> {
    let has_miri = sh::output(Command::new("cargo").args(["+nightly", "miri", "--version"]));
    if has_miri.is_err() {
        return Err(
            "Miri is not here: install it with `rustup toolchain install nightly --component miri \
             --component rust-src`"
                .into(),
        );
    }
    sh::run(
        // Not the cargo that runs this program, which is of another toolchain.
        Command::new("cargo")
            .args(["+nightly", "miri", "test", "--package", "civic-fuzz"])
            .args(["--no-default-features", "--test", "it"])
            .current_dir(sh::root())
            .env("CARGO_TARGET_DIR", sh::target().join("miri"))
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("RUSTC")
            .env_remove("CARGO")
            // The seeds are files.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation"),
    )
}
