//! Several processes behind one name, as a Kubernetes Service has them: each connection goes to one
//! of those that accept it, chosen at random, and stays there until one of its two ends closes it.
//! [`Balancer::following_readiness`] chooses among those only that say that they are ready.
//!
//! A Service passes packets on in the kernel. So that an end which closes is seen at the other end
//! nearly as soon, the balancer has a thread of its own, in which it waits for none of the driver's
//! work.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{io, thread};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often a process is asked whether it is ready. Kubernetes asks every ten seconds unless it is
/// told otherwise; the drain delay has to be longer than that, whatever it is.
const PROBE_PACE: Duration = Duration::from_millis(100);
/// How long a process may take to answer that.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// A running balancer. Its connections end when it is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    backends: Arc<[Backend]>,
    counters: Arc<Counters>,
    /// The thread ends when this is dropped.
    _running: oneshot::Sender<()>,
}

/// Which processes get new connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Accepting,
    Ready,
}

/// A process, and whether it gets new connections.
#[derive(Debug)]
struct Backend {
    address: SocketAddr,
    is_ready: AtomicBool,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    refused: AtomicU64,
}

// ===== impl Balancer =====

impl Balancer {
    /// Starts a balancer on a free port.
    pub(crate) fn start(backends: Vec<SocketAddr>) -> io::Result<Self> {
        Self::start_with(backends, Choice::Accepting)
    }

    /// Starts a balancer that asks each process all the time whether it is ready, and gives new
    /// connections to the ready ones. Each process counts as ready until it says otherwise.
    pub(crate) fn following_readiness(backends: Vec<SocketAddr>) -> io::Result<Self> {
        Self::start_with(backends, Choice::Ready)
    }

    fn start_with(backends: Vec<SocketAddr>, choice: Choice) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let backends: Arc<[Backend]> = backends.into_iter().map(Backend::new).collect();
        let watched = Arc::clone(&backends);
        let counters = Arc::<Counters>::default();
        let counting = Arc::clone(&counters);
        let (running, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("balancer".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut probes = JoinSet::new();
                    if choice == Choice::Ready {
                        for index in 0..backends.len() {
                            probes.spawn(Backend::watch(Arc::clone(&backends), index));
                        }
                    }
                    tokio::select! {
                        () = accept(listener, backends, counting) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            backends: watched,
            counters,
            _running: running,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the process at this address gets new connections.
    pub(crate) fn is_ready(&self, address: SocketAddr) -> bool {
        self.backends
            .iter()
            .any(|backend| backend.address == address && backend.is_ready.load(Ordering::Relaxed))
    }

    /// How many connections it has passed on.
    pub(crate) fn connections(&self) -> u64 {
        self.counters.connections.load(Ordering::Relaxed)
    }

    /// How many connections no process accepted.
    pub(crate) fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

// ===== impl Backend =====

impl Backend {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            is_ready: AtomicBool::new(true),
        }
    }

    /// Asks one of the processes all the time whether it is ready.
    async fn watch(backends: Arc<[Self]>, index: usize) {
        let Some(backend) = backends.get(index) else {
            return;
        };
        loop {
            let asked = timeout(PROBE_LIMIT, backend.probe()).await;
            let is_ready = matches!(asked, Ok(Ok(true)));
            backend.is_ready.store(is_ready, Ordering::Relaxed);
            sleep(PROBE_PACE).await;
        }
    }

    async fn probe(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = "GET /health/ready HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer.starts_with(b"HTTP/1.1 200 "))
    }
}

async fn accept(listener: TcpListener, backends: Arc<[Backend]>, counters: Arc<Counters>) {
    // Dropped with this future, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let ready: Vec<SocketAddr> = backends
            .iter()
            .filter(|backend| backend.is_ready.load(Ordering::Relaxed))
            .map(|backend| backend.address)
            .collect();
        connections.spawn(relay(client, shuffled(&ready), Arc::clone(&counters)));
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(mut client: TcpStream, backends: Vec<SocketAddr>, counters: Arc<Counters>) {
    for backend in backends {
        let Ok(mut server) = TcpStream::connect(backend).await else {
            continue;
        };
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        // An end that breaks off is the business of the other end, which sees it.
        if copy_bidirectional(&mut client, &mut server).await.is_err() {
            let _ = client.set_zero_linger();
        }
        return;
    }
    counters.refused.fetch_add(1, Ordering::Relaxed);
    // RST: as if nothing had listened.
    let _ = client.set_zero_linger();
}

/// The items in random order.
fn shuffled<T: Clone>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    for last in (1..items.len()).rev() {
        // Each `RandomState` has keys of its own.
        let random = RandomState::new().build_hasher().finish();
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
    items
}

#[cfg(test)]
mod tests {
    use civic_testkit::upstream::Upstream;
    use tokio::task::AbortHandle;

    use super::*;

    /// Answers each connection with these bytes and closes it.
    async fn backend(answer: &'static [u8]) -> (SocketAddr, AbortHandle) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    stream.write_all(answer).await.unwrap();
                    stream.shutdown().await.unwrap();
                    // Closed with the request of a probe unread, it would be reset.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        (address, task.abort_handle())
    }

    async fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        let mut stream = TcpStream::connect(address).await?;
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_connection_goes_to_any_process_that_accepts_it() {
        let (first, _first) = backend(b"1").await;
        let (second, _second) = backend(b"2").await;
        let gone = Upstream::refusing().await;
        let balancer = Balancer::start(vec![first, gone.addr(), second]).unwrap();
        let mut seen = [0, 0];
        for _ in 0..60 {
            match ask(balancer.address()).await.unwrap()[..] {
                [b'1'] => seen[0] += 1,
                [b'2'] => seen[1] += 1,
                ref other => panic!("an answer of no backend: {other:?}"),
            }
        }
        // One of them being left out has a probability of 2 to the power of -59.
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
        assert_eq!(balancer.connections(), 60);
        assert_eq!(balancer.refused(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_no_process_accepts_is_reset() {
        let gone = Upstream::refusing().await;
        let balancer = Balancer::start(vec![gone.addr()]).unwrap();
        let error = ask(balancer.address()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(balancer.refused(), 1);
    }

    #[tokio::test]
    async fn only_a_process_that_says_that_it_is_ready_gets_connections() {
        let (unready, _unready) = backend(b"0").await;
        let (ready, _ready) = backend(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let balancer = Balancer::following_readiness(vec![unready, ready]).unwrap();
        while balancer.is_ready(unready) {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            // A probe that a busy machine keeps from its answer says that it is not ready.
            let answer = loop {
                match ask(balancer.address()).await {
                    Ok(answer) => break answer,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                }
            };
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        }
        while !balancer.is_ready(ready) {
            tokio::task::yield_now().await;
        }
    }
}
