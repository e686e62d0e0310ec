//! The resolver of the operating system.

use std::io;
use std::net::ToSocketAddrs;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::transport::resolve::addresses::Addresses;
use crate::transport::resolve::resolver::Resolve;

/// How many threads of the process may be inside of the system's resolver.
const MAX_THREADS: usize = 8;

/// Shared by all clients of the process: a thread in `getaddrinfo` cannot be called back, and
/// while the name servers are silent each of them is gone for 10 s and more.
static THREADS: Semaphore = Semaphore::const_new(MAX_THREADS);

/// Asks the operating system (`getaddrinfo`): `/etc/hosts`, `nsswitch.conf` and `resolv.conf` hold.
///
/// It is the default. It occupies at most 8 threads of the process, whatever happens, and tells no
/// TTL. A runtime that shuts down waits for look-ups under way.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

impl SystemResolver {
    /// Creates the resolver.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Addresses> {
        let permit = THREADS.acquire().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = spawn_blocking(move || {
            // Until the thread is free again, even if its result is not waited for any more.
            let _permit = permit;
            let found = (host.as_str(), 0).to_socket_addrs()?;
            Ok(Addresses::new(found.map(|address| address.ip())))
        });
        lookup.await.map_err(io::Error::other)?
    }
}
