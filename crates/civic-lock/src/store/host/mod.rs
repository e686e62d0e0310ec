//! Locks in files of one machine, among the processes of one user.
//!
//! It promises what Redis promises, for one machine. It promises nothing between two machines, over
//! a network file system, or between two users.
//!
//! | file | what | lifetime |
//! |---|---|---|
//! | `guard-XX` | locked (`flock`) for the length of one transition | never unlinked or renamed |
//! | `state/<name>` | holder, fence, expiry, watermark, execution; replaced by renaming, under its guard | 10 minutes without use, 400 days with a watermark, the retention of an execution; then swept, when a store is opened and after every 500 commands |
//! | `alive/<uuid>` | the liveness file: locked by one process for as long as it lives | unlinked by its owner, or by a process that finds its owner dead |
//!
//! A file lock alone would not do: it has no ttl, and a stopped holder keeps it for ever. So a
//! lease is free when its expiry (`CLOCK_BOOTTIME` and boot id) has passed, **or** when the
//! liveness file of its holder can be locked, which means that the holder's process has died.
//!
//! There are 64 guards, and a hash of the name selects one. They are held for microseconds, and one
//! guard per name could never be removed. A process that is stopped in just these microseconds
//! makes the others answer `Timeout` until it goes on. Then no one gets the lock, which is the safe
//! side. If someone unlinks a guard all the same, the next process that locks it notices that the
//! path leads elsewhere, and starts again.

mod claim;
mod file_system;
mod files;
mod liveness;
mod moment;
mod once;
mod operator;
mod process;
mod state;
mod store;
mod sweep;
mod ticks;
mod transitions;
mod watch;

#[cfg(test)]
pub(crate) use self::moment::Moment;
#[cfg(test)]
pub(crate) use self::process::Process;
#[cfg(test)]
pub(crate) use self::state::State;
pub(crate) use self::store::HostStore;
pub(crate) use self::transitions::Transition;
#[cfg(test)]
pub(crate) use self::transitions::step;

#[cfg(test)]
mod tests;
