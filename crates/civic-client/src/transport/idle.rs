//! The idle connections to one peer.

use std::net::IpAddr;

use tokio::time::Instant;

use crate::transport::connection::Connection;

/// The idle connections to one peer.
///
/// One that is no longer usable, because its peer has closed it or it was idle for too long, holds
/// no socket. It is let go of where it is met, so that a call does not look at all of them.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// The least recently used one first.
    #[expect(
        clippy::vec_box,
        reason = "they come and go one by one, and are not small"
    )]
    connections: Vec<Box<Connection>>,
    /// The addresses that the peer had when connections to other ones were closed last.
    ips: Vec<IpAddr>,
}

// ===== impl Idle =====

impl Idle {
    /// Returns the addresses that there are connections to.
    pub(super) fn ips(&self) -> Vec<IpAddr> {
        let ips = self.connections.iter();
        ips.map(|connection| connection.ip()).collect()
    }

    /// Closes those to other addresses than these, now and later on.
    pub(super) fn keep_only(&mut self, ips: &[IpAddr]) {
        if self.ips != ips {
            self.connections
                .retain(|connection| ips.contains(&connection.ip()));
            self.ips.clear();
            self.ips.extend_from_slice(ips);
        }
    }

    /// Takes the most recently used one that may carry another request and that `fits`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        fits: impl Fn(&Connection) -> bool,
    ) -> Option<Box<Connection>> {
        let mut index = self.connections.len();
        while index > 0 {
            index -= 1;
            if !self.connections[index].is_usable(now) {
                self.connections.remove(index);
            } else if fits(&self.connections[index]) {
                return Some(self.connections.remove(index));
            }
        }
        None
    }

    /// Takes the least recently used one.
    pub(super) fn take_oldest(&mut self, now: Instant) -> Option<Box<Connection>> {
        self.retain_usable(now);
        (!self.connections.is_empty()).then(|| self.connections.remove(0))
    }

    /// Adds one. If there are more than `max` then, the least recently used ones are closed.
    pub(super) fn put(&mut self, connection: Box<Connection>, now: Instant, max: usize) {
        if self.is_elsewhere(&connection) {
            return;
        }
        if self.connections.len() >= max {
            self.retain_usable(now);
            let surplus = (self.connections.len() + 1).saturating_sub(max);
            self.connections.drain(..surplus);
        }
        self.connections.push(connection);
    }

    /// Returns whether there is any.
    #[cfg(feature = "http2")]
    pub(super) fn has_any(&mut self, now: Instant) -> bool {
        self.retain_usable(now);
        !self.connections.is_empty()
    }

    /// Closes the one with this id, if there is one.
    pub(super) fn discard(&mut self, id: u64) {
        self.connections.retain(|connection| connection.id() != id);
    }

    /// Returns whether a connection is to an address that the peer no longer has.
    fn is_elsewhere(&self, connection: &Connection) -> bool {
        !self.ips.is_empty() && !self.ips.contains(&connection.ip())
    }

    fn retain_usable(&mut self, now: Instant) {
        self.connections
            .retain(|connection| connection.is_usable(now));
    }
}
