//! One call of a script.

use crate::name::LockName;
use crate::store::redis::script::Script;

/// One call of a script.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub(super) script: &'static Script,
    /// The lock, whose slot is that of all its keys.
    pub(super) name: &'a LockName,
    pub(super) keys: Vec<String>,
    /// The first argument, and the first item of the reply.
    pub(super) echo: String,
    /// The arguments after the echo and the deadline.
    pub(super) args: Vec<String>,
}

impl Invocation<'_> {
    /// The arguments of `EVALSHA`, after the script itself.
    pub(super) fn args_until(&self, not_after: u64) -> Vec<String> {
        let mut args = Vec::with_capacity(3 + self.keys.len() + self.args.len());
        args.push(self.keys.len().to_string());
        args.extend_from_slice(&self.keys);
        args.push(self.echo.clone());
        args.push(not_after.to_string());
        args.extend_from_slice(&self.args);
        args
    }
}
