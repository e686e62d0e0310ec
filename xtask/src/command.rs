//! What each command tells of itself.

/// A command of `cargo xtask`.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What it does, in less than a line.
    pub(crate) summary: &'static str,
    pub(crate) help: Help,
    pub(crate) run: fn(&[String]) -> Result<(), String>,
}

/// What answers `--help`.
pub(crate) enum Help {
    Text(&'static str),
    /// The program that the command starts has a help of its own.
    OfProgram,
}
