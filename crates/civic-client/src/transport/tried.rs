//! Which endpoints, addresses and connections the earlier attempts of a call used.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::balance::Endpoint;

/// Which endpoints, addresses and connections the earlier attempts of a call used, so that the next
/// one goes elsewhere.
///
/// It is an extension of the request, which all attempts of the call share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried(Arc<Mutex<Uses>>);

#[derive(Debug, Default)]
struct Uses {
    connections: Vec<Use>,
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    connection: u64,
    ip: IpAddr,
}

impl Tried {
    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an attempt uses this endpoint.
    pub(crate) fn note_endpoint(&self, endpoint: &Endpoint) {
        self.uses().endpoints.push(endpoint.clone());
    }

    /// Forgets that attempts used this endpoint, which is not to blame for the outcome of the last.
    pub(crate) fn forget_endpoint(&self, endpoint: &Endpoint) {
        self.uses().endpoints.retain(|used| used != endpoint);
    }

    /// Returns the endpoints that attempts used.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.uses().endpoints.clone()
    }

    /// Notes that an attempt uses this connection.
    pub(super) fn note(&self, connection: u64, ip: IpAddr) {
        self.uses().connections.push(Use { connection, ip });
    }

    /// Forgets that the last attempt used this connection, which is not to blame for its outcome.
    pub(super) fn forget(&self, connection: u64) {
        self.uses()
            .connections
            .retain(|attempt| attempt.connection != connection);
    }

    /// Returns whether an attempt used this connection.
    pub(super) fn used(&self, connection: u64) -> bool {
        self.uses()
            .connections
            .iter()
            .any(|attempt| attempt.connection == connection)
    }

    /// Returns the connections that attempts used.
    pub(super) fn connections(&self) -> Vec<u64> {
        let uses = self.uses();
        uses.connections
            .iter()
            .map(|attempt| attempt.connection)
            .collect()
    }

    /// Returns the addresses that attempts used.
    pub(super) fn ips(&self) -> Vec<IpAddr> {
        let uses = self.uses();
        uses.connections.iter().map(|attempt| attempt.ip).collect()
    }
}
