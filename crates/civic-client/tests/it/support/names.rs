//! A resolver that does what a test says.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use civic_client::transport::{Addresses, Resolve};
use tokio::time::sleep;

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
