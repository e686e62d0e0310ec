//! A resolver that does what a test says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use civic_client::transport::{Addresses, Resolve};
use civic_client::{ServiceClient, ServiceClientBuilder};
use civic_testkit::redis::free_port;
use civic_testkit::upstream::{Step, Upstream};
use tokio::time::sleep;

use crate::support::exact;

/// A resolver that answers what it was told to answer last, and counts how often it is asked.
///
/// Clones are the same resolver.
#[derive(Clone, Debug)]
pub(crate) struct Names(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    says: Says,
    delay: Duration,
    ttl: Option<Duration>,
    asked: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// The addresses with these last numbers, in 127.0.0.0/24.
    Local(Vec<u8>),
    Error,
    Nothing,
    Panic,
}

impl Names {
    pub(crate) fn new(says: Says) -> Self {
        Self(Arc::new(Mutex::new(State {
            says,
            delay: Duration::ZERO,
            ttl: None,
            asked: 0,
        })))
    }

    /// Finds these addresses, by their last numbers in 127.0.0.0/24.
    pub(crate) fn local(last: impl IntoIterator<Item = u8>) -> Self {
        Self::new(Says::Local(last.into_iter().collect()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ttl(self, ttl: Duration) -> Self {
        self.state().ttl = Some(ttl);
        self
    }

    pub(crate) fn delay(self, delay: Duration) -> Self {
        self.state().delay = delay;
        self
    }

    pub(crate) fn now_say(&self, says: Says) {
        self.state().says = says;
    }

    pub(crate) fn now_take(&self, delay: Duration) {
        self.state().delay = delay;
    }

    pub(crate) fn asked(&self) -> usize {
        self.state().asked
    }
}

pub(crate) fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Addresses> {
        let State { delay, ttl, .. } = {
            let mut state = self.state();
            state.asked += 1;
            state.clone()
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let says = self.state().says.clone();
        let found = match says {
            Says::Local(last) => Addresses::new(last.into_iter().map(local)),
            Says::Error => return Err(io::Error::other("the name server is out of order")),
            Says::Nothing => std::future::pending().await,
            Says::Panic => panic!("a defect of the resolver"),
        };
        Ok(match ttl {
            Some(ttl) => found.with_ttl(ttl),
            None => found,
        })
    }
}

/// A client of `http://roll.test`, at the port of `peer`.
pub(crate) fn by_name(peer: &Upstream, names: &Names) -> ServiceClientBuilder {
    exact(&format!("http://roll.test:{}", peer.addr().port())).resolver(names.clone())
}

pub(crate) fn client(peer: &Upstream, names: &Names) -> ServiceClient {
    by_name(peer, names).build().unwrap()
}

/// Peers with the last numbers 1 to `N` in 127.0.0.0/24, at the same port.
pub(crate) async fn peers<const N: usize>(script: [Step; N]) -> [Upstream; N] {
    // No one else on this machine is given it, whatever the address.
    let port = free_port();
    let mut peers = Vec::new();
    for (last, step) in (1..).zip(script) {
        let addr = SocketAddr::new(local(last), port);
        peers.push(Upstream::start_on(addr, [step]).await);
    }
    peers.try_into().expect("one per step")
}

pub(crate) fn received(peers: &[Upstream]) -> Vec<usize> {
    peers.iter().map(|peer| peer.attempts().len()).collect()
}
