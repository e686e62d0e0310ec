//! One call of a script.

use crate::name::LockName;
use crate::store::redis::operations::Scripted;
use crate::store::redis::script::Script;

/// One call of a script.
pub(super) struct Invocation<'a> {
    pub(super) script: &'static Script,
    /// The lock, whose slot is that of all its keys.
    pub(super) name: &'a LockName,
    /// The first argument: the holder, or a word that stands for none.
    pub(super) echo: &'a str,
    /// Never used for another command of this store.
    pub(super) serial: String,
    /// What the script is called for.
    pub(super) command: &'a dyn Arguments,
}

/// What a command gives to its script, whichever command it is.
pub(super) trait Arguments: Sync {
    /// Returns the keys of the lock.
    fn keys_of(&self, name: &LockName) -> Vec<String>;

    /// Returns the arguments after the echo, the deadline and the serial.
    fn args_of(&self, name: &LockName) -> Vec<String>;
}

impl<C: Scripted> Arguments for C {
    fn keys_of(&self, name: &LockName) -> Vec<String> {
        self.keys(name)
    }

    fn args_of(&self, name: &LockName) -> Vec<String> {
        self.args(name)
    }
}

impl Invocation<'_> {
    /// The first items of the reply.
    pub(super) fn expected_echo(&self) -> [&str; 2] {
        [self.echo, &self.serial]
    }

    /// The arguments of `EVALSHA`, with the script itself. They are made anew for each time that it
    /// is sent, which is nearly always once.
    pub(super) fn args_until(&self, not_after: u64, script: &str) -> Vec<String> {
        let keys = self.command.keys_of(self.name);
        let args = self.command.args_of(self.name);
        let mut all = Vec::with_capacity(5 + keys.len() + args.len());
        all.push(script.to_owned());
        all.push(keys.len().to_string());
        all.extend(keys);
        all.push(self.echo.to_owned());
        all.push(not_after.to_string());
        all.push(self.serial.clone());
        all.extend(args);
        all
    }
}
