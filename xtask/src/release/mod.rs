//! `cargo xtask release`: what has to be true before the crates are published, and publishing them.
//!
//! | part | what it does |
//! |---|---|
//! | `order` | which crate is published after which |
//! | `changelog` | the section of a version |
//! | `compatibility` | whether the version says what became of the public items |
//! | `scratch` | a project outside of the repository that depends on the packages alone |
//! | `command` | the command |

mod changelog;
mod command;
mod compatibility;
mod order;
mod scratch;

pub(crate) use self::command::COMMAND;
