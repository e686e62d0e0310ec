//! How an exchange gets a connection.

use std::net::IpAddr;
#[cfg(feature = "http2")]
use std::pin::pin;
use std::sync::Arc;

#[cfg(feature = "http2")]
use http::uri::Scheme;
#[cfg(feature = "http2")]
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
#[cfg(feature = "http2")]
use tokio::time::sleep_until;

use crate::balance::{Exchange, Outcome};
use crate::error::Error;
use crate::transport::dial::order;
#[cfg(feature = "http2")]
use crate::transport::http2::Choice;
#[cfg(feature = "http2")]
use crate::transport::later::later;
use crate::transport::link::Link;
use crate::transport::pool::Pool;
use crate::transport::settings::Settings;
use crate::transport::target::Target;
use crate::transport::tried::Tried;
use crate::transport::unconnected::no_address;
#[cfg(feature = "http2")]
use crate::transport::unconnected::too_slow;

/// What leads to a connection.
pub(super) struct Way<'a> {
    pool: &'a Pool,
    target: &'a Target,
    settings: &'a Settings,
    tried: &'a Tried,
    /// The addresses of the peer, if they are known.
    ips: Option<Arc<[IpAddr]>>,
    /// Why they are not.
    unresolved: Option<Error>,
    /// Until when there has to be a connection.
    until: Instant,
}

impl<'a> Way<'a> {
    pub(super) fn new(
        (pool, target, settings): (&'a Pool, &'a Target, &'a Settings),
        tried: &'a Tried,
        ips: Result<Arc<[IpAddr]>, Error>,
        until: Instant,
    ) -> Self {
        let (ips, unresolved) = match ips {
            Ok(ips) => (Some(ips), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            pool,
            target,
            settings,
            tried,
            ips,
            unresolved,
            until,
        }
    }

    /// Takes an open connection for an exchange, or opens one.
    pub(super) async fn obtain(
        &mut self,
        mut exchange: Exchange<IpAddr>,
    ) -> Result<(Link, Exchange<IpAddr>), Error> {
        loop {
            let ip = *exchange.key();
            if let Some(link) = self.take(ip).await {
                return Ok((link, exchange));
            }
            let Some(ips) = self.ips.clone() else {
                exchange.end(Outcome::NotMade);
                return Err(self.unresolved.take().unwrap_or_else(no_address));
            };
            #[cfg(feature = "http2")]
            let _turn = match Box::pin(self.wait(ip)).await {
                Ok(Waited::Turn(turn)) => turn,
                Ok(Waited::Link(link)) => return Ok((link, exchange)),
                Ok(Waited::Change) => continue,
                Err(error) => {
                    exchange.end(Outcome::of_error(&error));
                    return Err(error);
                }
            };
            let weights = self.pool.balancer().weights(&ips, &self.tried.ips());
            let weighed: Vec<_> = ips.iter().copied().zip(weights).collect();
            let addresses = order(ip, &weighed, self.target.port);
            let limit = self.until.saturating_duration_since(Instant::now());
            // Boxed, as all that is seldom is: a call would carry the room for it otherwise.
            let connecting = self
                .pool
                .connect(self.target, self.settings, &addresses, limit);
            let connected = match Box::pin(connecting).await {
                Ok(connected) => connected,
                Err(error) => {
                    exchange.end(Outcome::of_error(&error));
                    return Err(error);
                }
            };
            if connected.ip != ip {
                exchange = exchange.moved_to(&connected.ip);
            }
            let Some(link) = connected.link else {
                continue;
            };
            if let Some(link) = link.ready().await {
                return Ok((link, exchange));
            }
        }
    }

    /// Takes an open connection that can take a request.
    async fn take(&self, ip: IpAddr) -> Option<Link> {
        while let Some(link) = self.pool.take(ip, self.ips.as_deref(), self.tried) {
            if let Some(link) = link.ready().await {
                return Some(link);
            }
        }
        None
    }
}

/// What there is after a wait.
#[cfg(feature = "http2")]
enum Waited {
    /// It is for this one to open a connection; with `None`, others may do so at the same time.
    Turn(Option<OwnedMutexGuard<()>>),
    Link(Link),
    /// Something has changed.
    Change,
}

#[cfg(feature = "http2")]
impl Way<'_> {
    /// Returns whether a connection that is opened is expected to speak HTTP/2, or may.
    fn expects_http2(&self) -> bool {
        self.settings.config.http2.is_some_and(|http2| {
            let is_chosen = self.target.scheme == Scheme::HTTPS;
            http2.is_assumed || is_chosen && !self.pool.sessions().is_refused()
        })
    }

    /// Waits until there is room on a connection to `ip` if no further one may be opened, and else
    /// until no one else is opening one.
    async fn wait(&mut self, ip: IpAddr) -> Result<Waited, Error> {
        if !self.expects_http2() {
            return Ok(Waited::Turn(None));
        }
        let sessions = self.pool.sessions();
        let place = sessions.place(ip);
        let mut room = pin!(place.room());
        room.as_mut().enable();
        // From here on nothing is missed.
        if let Some(link) = self.take(ip).await {
            return Ok(Waited::Link(link));
        }
        if self.has_to_wait(ip) {
            // A connection that the call has tried is better than none.
            let tried = sessions.take(ip, self.ips.as_deref(), self.tried, Choice::Any);
            if let Some(seat) = tried {
                return Ok(Waited::Link(Link::Http2(seat)));
            }
            let start = Instant::now();
            room.await;
            self.pool.waited(start);
            // The time for connecting begins anew.
            self.until = later(Instant::now(), self.settings.config.connect_timeout);
            return Ok(Waited::Change);
        }
        let turn = tokio::select! {
            biased;
            turn = place.turn() => turn,
            () = room => return Ok(Waited::Change),
            () = sleep_until(self.until) => {
                let limit = self.settings.config.connect_timeout;
                return Err(too_slow("connected to", limit));
            }
        };
        // The one before may have opened it for this one as well, or the last one that there may
        // be, or found out that there is nothing to share.
        Ok(match self.take(ip).await {
            Some(link) => Waited::Link(link),
            None if self.has_to_wait(ip) => Waited::Change,
            None => Waited::Turn(self.expects_http2().then_some(turn)),
        })
    }

    /// Returns whether only a place on an open connection is left to wait for.
    fn has_to_wait(&self, ip: IpAddr) -> bool {
        let sessions = self.pool.sessions();
        sessions.is_barred(ip) || sessions.has(ip) && self.pool.is_full()
    }
}
