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
        let ask = |host: &str| {
            let found = (host, 0).to_socket_addrs()?;
            Ok(Addresses::new(found.map(|address| address.ip())))
        };
        on_a_thread(&THREADS, host, ask).await
    }
}

/// Asks on a thread of the runtime, of which at most as many are occupied as there are permits.
async fn on_a_thread(
    threads: &'static Semaphore,
    host: &str,
    ask: impl FnOnce(&str) -> io::Result<Addresses> + Send + 'static,
) -> io::Result<Addresses> {
    let permit = threads.acquire().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let lookup = spawn_blocking(move || {
        // Until the thread is free again, even if no one waits for its result any more.
        let _permit = permit;
        ask(&host)
    });
    lookup.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex};

    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn hanging_look_ups_occupy_8_threads_and_no_more_however_many_names_are_asked_for() {
        static PERMITS: Semaphore = Semaphore::const_new(MAX_THREADS);
        let (entered, mut inside) = mpsc::unbounded_channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let mut lookups = JoinSet::new();
        for name in 0..600 {
            let (entered, released) = (entered.clone(), Arc::clone(&released));
            lookups.spawn(async move {
                let ask = move |_: &str| {
                    let _ = entered.send(());
                    // Hangs until the test lets go.
                    let _ = released.lock().unwrap().recv();
                    Ok(Addresses::new([Ipv4Addr::LOCALHOST.into()]))
                };
                on_a_thread(&PERMITS, &format!("host-{name}"), ask).await
            });
        }
        for _ in 0..MAX_THREADS {
            inside.recv().await.unwrap();
        }
        // The callers give up; the threads stay where they are.
        lookups.shutdown().await;
        assert_eq!(PERMITS.available_permits(), 0);
        assert!(inside.try_recv().is_err());
        // The runtime has threads to spare.
        assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);

        drop(release);
        let ask = |_: &str| Ok(Addresses::new([Ipv4Addr::LOCALHOST.into()]));
        on_a_thread(&PERMITS, "another", ask).await.unwrap();
    }
}
