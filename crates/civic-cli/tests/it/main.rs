//! The tool as scripts use it: the real binary, its output and its exit codes.

mod call;
mod help;
mod job;
mod key;
mod lock;
mod once;
mod support;
mod token;
