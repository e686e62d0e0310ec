//! Locks in files of one machine, among the processes of one user.
//!
//! The promise is that of Redis, with the machine in its place. Not promised: anything between two
//! machines, over a network file system, or between two users.
//!
//! | file | what | lifetime |
//! |---|---|---|
//! | `guard-XX` | locked (`flock`) for the length of one transition | never unlinked or renamed |
//! | `state/<name>` | holder, fence, expiry, watermark; replaced by renaming, under its guard | 7 days without use |
//! | `alive/<uuid>` | locked by one process for as long as it lives | unlinked by its owner, or by whoever finds it dead |
//!
//! A file lock alone would not do: it has no ttl, and a stopped holder keeps it for ever. So a lease
//! is free when its expiry (`CLOCK_BOOTTIME` and boot id) has passed, **or** when its holder's alive
//! file can be locked, that is when its process has died.
//!
//! Guards are shared out by a hash of the name, 64 of them: they are held for microseconds, and a
//! guard a name could never be removed. A process that is stopped in just these microseconds makes
//! the others answer `Timeout` until it goes on: nobody gets the lock, which is the safe side.
//! Should somebody unlink a guard all the same, the next one to lock it notices that the path leads
//! elsewhere, and starts again.

mod files;
mod now;
mod state;
mod store;
mod transitions;
mod watch;

pub(crate) use self::store::HostStore;

#[cfg(test)]
mod tests;
