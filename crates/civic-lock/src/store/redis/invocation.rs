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
    /// The first argument: the holder, or a word that stands for none.
    pub(super) echo: String,
    /// Never used for another command of this store.
    pub(super) serial: u64,
    /// The arguments after the echo and the deadline.
    pub(super) args: Vec<String>,
}

impl Invocation<'_> {
    /// The first item of the reply.
    pub(super) fn expected_echo(&self) -> String {
        format!("{} {}", self.echo, self.serial)
    }

    /// The arguments of `EVALSHA`, after the script itself.
    pub(super) fn args_until(&self, not_after: u64) -> Vec<String> {
        let mut args = Vec::with_capacity(3 + self.keys.len() + self.args.len());
        args.push(self.keys.len().to_string());
        args.extend_from_slice(&self.keys);
        args.push(self.echo.clone());
        args.push(format!("{not_after} {}", self.serial));
        args.extend_from_slice(&self.args);
        args
    }
}
