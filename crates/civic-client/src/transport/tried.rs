//! Which connections and addresses the earlier attempts of a call used.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which connections and addresses the earlier attempts of a call used, so that the next one goes
/// elsewhere.
///
/// It is an extension of the request, which all attempts of the call share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried(Arc<Mutex<Vec<Use>>>);

#[derive(Clone, Copy, Debug)]
struct Use {
    connection: u64,
    ip: IpAddr,
}

impl Tried {
    fn uses(&self) -> MutexGuard<'_, Vec<Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an attempt uses this connection.
    pub(super) fn note(&self, connection: u64, ip: IpAddr) {
        self.uses().push(Use { connection, ip });
    }

    /// Forgets that the last attempt used this connection, which is not to blame for its outcome.
    pub(super) fn forget(&self, connection: u64) {
        self.uses()
            .retain(|attempt| attempt.connection != connection);
    }

    /// Returns whether an attempt used this connection.
    pub(super) fn used(&self, connection: u64) -> bool {
        self.uses()
            .iter()
            .any(|attempt| attempt.connection == connection)
    }

    /// Returns the connections that attempts used.
    pub(super) fn connections(&self) -> Vec<u64> {
        self.uses()
            .iter()
            .map(|attempt| attempt.connection)
            .collect()
    }

    /// Returns the addresses that attempts used.
    pub(super) fn ips(&self) -> Vec<IpAddr> {
        self.uses().iter().map(|attempt| attempt.ip).collect()
    }
}
