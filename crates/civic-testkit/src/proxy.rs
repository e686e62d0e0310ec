//! A TCP proxy that misbehaves when told to.
//!
//! It stands between a client and a server, and changes what it does at run time, for the
//! connections that are open as well as for new ones. It counts what it has injected, so that a
//! test can show that its fault happened.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What the proxy does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Passes everything on.
    #[default]
    Pass,
    /// Passes everything on, each piece of a reply with this delay.
    Delay(Duration),
    /// Accepts everything and passes nothing on, in either direction. What it accepted is lost. The
    /// connections that lost something are reset when the fault ends, because no network can leave
    /// out the middle of a stream.
    BlackHole,
    /// Resets all connections, and each new one at once.
    Reset,
    /// Closes the server's side and says nothing to the client. Ends like `BlackHole`.
    HalfOpen,
    /// Passes requests on, so that they are executed, and swallows the replies. Ends like
    /// `BlackHole`.
    DropReply,
    /// Swallows one reply and passes the rest on: from then on the connection answers each request
    /// with the reply to another one. No network does it; a broken client library may.
    SkipReply,
}

impl Fault {
    /// Every fault; the delay is 100 ms.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Delay(Duration::from_millis(100)),
        Self::BlackHole,
        Self::Reset,
        Self::HalfOpen,
        Self::DropReply,
        Self::SkipReply,
    ];
}

/// Counts what was injected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Injected {
    /// Replies that were held back for a while.
    pub delayed: u64,
    /// Requests that were never passed on.
    pub requests_lost: u64,
    /// Replies that were never passed on.
    pub replies_lost: u64,
    /// Connections that were reset.
    pub resets: u64,
    /// Server sides that were closed without a word to the client.
    pub half_opened: u64,
}

#[derive(Debug, Default)]
struct Counters {
    delayed: AtomicU64,
    requests_lost: AtomicU64,
    replies_lost: AtomicU64,
    resets: AtomicU64,
    half_opened: AtomicU64,
    connections: AtomicU64,
}

/// A running proxy. Its connections end when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    fault: watch::Sender<Fault>,
    counters: Arc<Counters>,
    task: AbortHandle,
}

impl FaultProxy {
    /// Starts a proxy in front of `server`, on a free port. It passes everything on.
    ///
    /// # Panics
    ///
    /// Panics if there is no free port.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port on the loopback interface");
        Self::on(listener, server)
    }

    /// Starts a proxy in front of `server` that accepts connections here: one that has to come back
    /// where it was.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    #[must_use]
    pub fn on(listener: TcpListener, server: SocketAddr) -> Self {
        let addr = listener.local_addr().expect("a bound socket");
        let fault = watch::Sender::new(Fault::Pass);
        let counters = Arc::<Counters>::default();
        let task = tokio::spawn(accept(
            listener,
            server,
            fault.subscribe(),
            counters.clone(),
        ))
        .abort_handle();
        Self {
            addr,
            fault,
            counters,
            task,
        }
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL for a client of Redis: `redis://127.0.0.1:<port>`.
    #[must_use]
    pub fn redis_url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Does this from now on, on open connections too.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Returns what it has injected so far.
    #[must_use]
    pub fn injected(&self) -> Injected {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Injected {
            delayed: read(&self.counters.delayed),
            requests_lost: read(&self.counters.requests_lost),
            replies_lost: read(&self.counters.replies_lost),
            resets: read(&self.counters.resets),
            half_opened: read(&self.counters.half_opened),
        }
    }

    /// Returns how many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counters.connections.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    fault: watch::Receiver<Fault>,
    counters: Arc<Counters>,
) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        counters.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connection(client, server, fault.clone(), counters.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until one of its sides ends.
async fn connection(
    client: TcpStream,
    server: SocketAddr,
    mut fault: watch::Receiver<Fault>,
    counters: Arc<Counters>,
) {
    // A connection that was never made is a black hole as well.
    while matches!(*fault.borrow_and_update(), Fault::BlackHole) {
        if fault.changed().await.is_err() {
            return;
        }
    }
    if *fault.borrow() == Fault::Reset {
        reset(client, &counters);
        return;
    }
    let Ok(upstream) = TcpStream::connect(server).await else {
        reset(client, &counters);
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = upstream.into_split();
    let mut pumps = Pumps {
        client_read,
        client_write,
        server: Some((server_read, server_write)),
        counters: &counters,
        lost: false,
    };
    pumps.run(fault).await;
    if pumps.lost {
        let Pumps {
            client_read,
            client_write,
            ..
        } = pumps;
        if let Ok(client) = client_read.reunite(client_write) {
            reset(client, &counters);
        }
    }
}

struct Pumps<'a> {
    client_read: OwnedReadHalf,
    client_write: OwnedWriteHalf,
    server: Option<(OwnedReadHalf, OwnedWriteHalf)>,
    counters: &'a Counters,
    /// Part of the stream is missing, or the connection is to be reset: it cannot go on.
    lost: bool,
}

impl Pumps<'_> {
    async fn run(&mut self, mut fault: watch::Receiver<Fault>) {
        let mut request = vec![0; 64 * 1024];
        let mut reply = vec![0; 64 * 1024];
        let mut skipped = false;
        loop {
            let now = *fault.borrow_and_update();
            match now {
                Fault::Reset => {
                    self.lost = true;
                    return;
                }
                Fault::HalfOpen if self.server.take().is_some() => {
                    count(&self.counters.half_opened);
                    self.lost = true;
                }
                Fault::Pass | Fault::Delay(_) | Fault::SkipReply if self.lost => return,
                _ => {}
            }
            tokio::select! {
                biased;
                changed = fault.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                read = self.client_read.read(&mut request) => {
                    let Some(length) = some(read) else { return };
                    match (now, &mut self.server) {
                        (Fault::BlackHole, _) | (_, None) => {
                            count(&self.counters.requests_lost);
                            self.lost = true;
                        }
                        (_, Some((_, server))) => {
                            if server.write_all(&request[..length]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
                read = read_some(&mut self.server, &mut reply) => {
                    let Some(length) = some(read) else { return };
                    match now {
                        Fault::BlackHole | Fault::DropReply => {
                            count(&self.counters.replies_lost);
                            self.lost = true;
                            continue;
                        }
                        Fault::SkipReply if !skipped => {
                            count(&self.counters.replies_lost);
                            skipped = true;
                            continue;
                        }
                        Fault::Delay(by) => {
                            count(&self.counters.delayed);
                            tokio::time::sleep(by).await;
                        }
                        _ => {}
                    }
                    if self.client_write.write_all(&reply[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

async fn read_some(
    server: &mut Option<(OwnedReadHalf, OwnedWriteHalf)>,
    reply: &mut [u8],
) -> io::Result<usize> {
    match server {
        Some((server, _)) => server.read(reply).await,
        None => std::future::pending().await,
    }
}

/// None at the end of the stream.
fn some(read: io::Result<usize>) -> Option<usize> {
    read.ok().filter(|&length| length > 0)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn reset(client: TcpStream, counters: &Counters) {
    count(&counters.resets);
    // Zero linger sends RST instead of FIN, and does not wait.
    let _ = client.set_zero_linger();
    drop(client);
}
