//! The HTTP/2 connections to one peer, and those who wait for them.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::error::Error;
use crate::transport::http2::place::Place;
use crate::transport::http2::session::{Seat, Session};
use crate::transport::tried::Tried;
use crate::transport::unconnected::unconnected;

/// The HTTP/2 connections to one peer.
#[derive(Debug, Default)]
pub(in crate::transport) struct Sessions {
    /// The one that was opened last is the last.
    list: Mutex<Vec<Arc<Session>>>,
    places: Mutex<HashMap<IpAddr, Arc<Place>>>,
    /// What the last connection that was opened speaks; 0 before that.
    spoken: AtomicU8,
}

const HTTP2: u8 = 1;
const HTTP1: u8 = 2;

/// Which connections a request may go to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::transport) enum Choice {
    /// Those that no earlier attempt of its call used.
    Untried,
    Any,
}

// ===== impl Sessions =====

impl Sessions {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where requests for this address wait.
    pub(in crate::transport) fn place(&self, ip: IpAddr) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = places.contains_key(&ip);
        if !is_known {
            // Those that no one uses: names move on to other addresses.
            places.retain(|_, place| Arc::strong_count(place) > 1);
        }
        Arc::clone(places.entry(ip).or_default())
    }

    /// Returns whether the last connection that was opened speaks HTTP/2.
    pub(in crate::transport) fn has_spoken(&self) -> bool {
        self.spoken.load(Ordering::Relaxed) == HTTP2
    }

    /// Returns whether the last connection that was opened does not.
    pub(in crate::transport) fn is_refused(&self) -> bool {
        self.spoken.load(Ordering::Relaxed) == HTTP1
    }

    /// Notes that the peer has chosen HTTP/1.1.
    pub(in crate::transport) fn note_refused(&self) {
        self.spoken.store(HTTP1, Ordering::Relaxed);
    }

    /// Adds a connection, and takes a place on it; `None` if its peer allows no requests for now.
    ///
    /// # Errors
    ///
    /// The peer has ended it at once.
    pub(in crate::transport) fn begin(&self, session: Arc<Session>) -> Result<Option<Seat>, Error> {
        self.spoken.store(HTTP2, Ordering::Relaxed);
        let seat = session.seat();
        if seat.is_none() && !session.is_barred() {
            let text = "the peer ended the connection as soon as it was open";
            let ended = io::Error::new(io::ErrorKind::ConnectionAborted, text);
            return Err(unconnected(ended));
        }
        self.list().push(session);
        Ok(seat)
    }

    /// Takes a place on the connection to `ip` that was opened last, of those that have one. Those
    /// to addresses that the peer no longer has take no further request: it has `ips`, if they are
    /// known.
    pub(in crate::transport) fn take(
        &self,
        ip: IpAddr,
        ips: Option<&[IpAddr]>,
        tried: &Tried,
        choice: Choice,
    ) -> Option<Seat> {
        let runtime = Handle::current().id();
        let mut list = self.list();
        list.retain(|session| {
            let is_wanted = ips.is_none_or(|ips| ips.contains(&session.ip()));
            if !is_wanted {
                session.close();
            }
            is_wanted && session.is_open()
        });
        let mut ours = list.iter().rev().filter(|session| {
            session.ip() == ip
                && session.is_of(runtime)
                && (choice == Choice::Any || !tried.used(session.id()))
        });
        ours.find_map(Session::seat)
    }

    /// Returns whether a further connection to `ip` would be of no use: its peer allows no requests
    /// for now.
    pub(in crate::transport) fn is_barred(&self, ip: IpAddr) -> bool {
        self.list()
            .iter()
            .any(|session| session.ip() == ip && session.is_barred())
    }

    /// Returns whether there is a connection to `ip` that takes further requests when others have
    /// ended.
    pub(in crate::transport) fn has(&self, ip: IpAddr) -> bool {
        let runtime = Handle::current().id();
        self.list()
            .iter()
            .any(|session| session.ip() == ip && session.is_of(runtime) && session.is_open())
    }

    /// Returns whether there is a connection on which nothing is under way.
    pub(in crate::transport) fn has_idle(&self) -> bool {
        self.list().iter().any(|session| session.is_idle())
    }

    /// Closes a connection on which nothing is under way, if there is one.
    pub(in crate::transport) fn give_way(&self) {
        let mut list = self.list();
        if let Some(index) = list.iter().position(|session| session.is_idle()) {
            list.remove(index).close();
        }
    }

    /// Returns the addresses to which there are connections.
    pub(in crate::transport) fn ips(&self) -> Vec<IpAddr> {
        let list = self.list();
        let open = list.iter().filter(|session| session.is_open());
        open.map(|session| session.ip()).collect()
    }
}
