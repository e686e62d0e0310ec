//! One line on a terminal that says how far a command is, and nothing in a log.
//!
//! Each command of `cargo xtask` that takes longer than a few seconds has one. Where stderr is no
//! terminal, as in a pipe, a file or a workflow, no byte is written.

mod bar;
mod progress;

pub use self::progress::Progress;
