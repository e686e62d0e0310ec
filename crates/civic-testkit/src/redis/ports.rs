//! Ports for servers that a test starts.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a port that is free, and that no other test of this machine is given: not before it is
/// bound, and not while its server is down.
///
/// It is below those that a system gives to outgoing connections. Of these, a client that keeps
/// dialling a server that is down is one day given the server's own as its source: it is then
/// connected to itself, and the server cannot come back.
///
/// # Panics
///
/// Panics if there is none.
#[must_use]
pub fn free_port() -> u16 {
    static RANGE: OnceLock<Range> = OnceLock::new();
    let range = RANGE.get_or_init(Range::of_this_process);
    (0..Range::LENGTH)
        .map(|_| range.next())
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free port on the loopback interface")
}

/// The ports that this process hands out, one after the other, and from the first one again after
/// the last one.
#[derive(Debug)]
struct Range {
    first: u16,
    handed_out: AtomicU16,
    /// Locked as long as this process lives: the range is no other process's.
    _lock: Option<File>,
}

// ===== impl Range =====

impl Range {
    const FIRST: u16 = 15_000;
    /// More than the tests of one program start servers.
    const LENGTH: u16 = 500;
    /// They end at the port 32 000.
    const COUNT: u16 = 34;

    fn of_this_process() -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        let from = (random % u64::from(Self::COUNT)) as u16;
        let ranges = (from..Self::COUNT).chain(0..from);
        let range = |nth, lock| Self {
            first: Self::FIRST + nth * Self::LENGTH,
            handed_out: AtomicU16::new(0),
            _lock: lock,
        };
        let mut free = ranges.filter_map(|nth| Some(range(nth, Some(Self::lock(nth)?))));
        // With more processes than ranges, or where no file can be locked, two of them may share
        // one.
        free.next().unwrap_or_else(|| range(from, None))
    }

    fn lock(nth: u16) -> Option<File> {
        let folder = env::temp_dir().join("civic-testkit-ports");
        fs::create_dir_all(&folder).ok()?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(folder.join(nth.to_string()))
            .ok()?;
        file.try_lock().ok()?;
        Some(file)
    }

    fn next(&self) -> u16 {
        self.first + self.handed_out.fetch_add(1, Ordering::Relaxed) % Self::LENGTH
    }
}
