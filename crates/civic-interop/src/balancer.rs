//! Several processes behind one name, as a Kubernetes Service has them: each connection goes to one
//! of those that accept it, chosen at random, and stays there until one of its two ends closes it.
//!
//! A Service passes packets on in the kernel. So that an end which closes is seen at the other end
//! nearly as soon, the balancer has a thread of its own, in which it waits for none of the driver's
//! work.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{io, thread};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A running balancer. Its connections end when it is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    counters: Arc<Counters>,
    /// The thread ends when this is dropped.
    _running: oneshot::Sender<()>,
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
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let counters = Arc::<Counters>::default();
        let counting = Arc::clone(&counters);
        let (running, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("balancer".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, backends, counting) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            counters,
            _running: running,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
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

async fn accept(listener: TcpListener, backends: Vec<SocketAddr>, counters: Arc<Counters>) {
    // Dropped with this future, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(relay(client, shuffled(&backends), Arc::clone(&counters)));
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::AbortHandle;

    use super::*;

    /// Answers each connection with one byte and closes it.
    async fn backend(byte: u8) -> (SocketAddr, AbortHandle) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(&[byte]).await.unwrap();
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
        let (first, _first) = backend(b'1').await;
        let (second, _second) = backend(b'2').await;
        // A port that nothing listens on.
        let gone = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        let balancer = Balancer::start(vec![first, gone, second]).unwrap();
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
        let gone = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        let balancer = Balancer::start(vec![gone]).unwrap();
        let error = ask(balancer.address()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(balancer.refused(), 1);
    }
}
