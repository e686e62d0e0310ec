//! A scripted HTTP/1.1 peer on a real socket.
//!
//! Each request is answered by the next [`Step`] of the script; the last step repeats for ever.
//! Every request that arrived whole is recorded as an [`Attempt`], however it was answered.
//! Connections are kept alive unless a step says otherwise.
//!
//! The peer runs inside the caller's runtime, so a test may pause the clock: delays, hangs and
//! drips then take no real time, and [`Attempt::at`] is exact. It speaks just enough HTTP, by hand,
//! to be able to break every rule of it.
//!
//! A caller that waits for `100 Continue` gets it. Not promised: HTTP/2, pipelining.

mod answer;
mod attempt;
mod step;
mod wire;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

pub use self::attempt::Attempt;
pub use self::step::Step;

/// A scripted peer, which stops when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1 and follows `script`.
    ///
    /// # Panics
    ///
    /// Panics if the script is empty or no port is free.
    pub async fn start(script: impl IntoIterator<Item = Step>) -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), script).await
    }

    /// Listens on `addr`, for example on another address of the loopback network, and follows
    /// `script`.
    ///
    /// # Panics
    ///
    /// Panics if the script is empty or the address cannot be had.
    pub async fn start_on(addr: SocketAddr, script: impl IntoIterator<Item = Step>) -> Self {
        let script: Vec<Step> = script.into_iter().collect();
        assert!(!script.is_empty(), "a script needs at least one step");
        let listener = TcpListener::bind(addr)
            .await
            .expect("an address that is free");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::new(script));
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, task }
    }

    /// Returns an address on which no one listens: connecting to it is refused as long as the value
    /// lives.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    pub async fn refusing() -> Refusing {
        let bound = TcpSocket::new_v4().and_then(|socket| {
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            Ok((socket.local_addr()?, socket))
        });
        let (addr, socket) = bound.expect("a free port on 127.0.0.1");
        Refusing {
            addr,
            _socket: socket,
        }
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the requests that arrived whole so far, in order of arrival.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.state().attempts.clone()
    }

    /// Returns how many connections were accepted so far, including those that were reset at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Waits until `count` requests have arrived whole.
    ///
    /// # Panics
    ///
    /// Panics after two minutes of waiting.
    pub async fn received(&self, count: usize) {
        self.shared
            .wait(|state| state.attempts.len() >= count)
            .await;
    }

    /// Waits until `count` connections have ended, whichever side closed them. Those that are reset
    /// at once do not count.
    ///
    /// # Panics
    ///
    /// Panics after two minutes of waiting.
    pub async fn closed(&self, count: usize) {
        self.shared.wait(|state| state.closed >= count).await;
    }

    /// Waits until `count` callers have closed their connection before their answer was complete.
    ///
    /// # Panics
    ///
    /// Panics after two minutes of waiting.
    pub async fn abandoned(&self, count: usize) {
        self.shared.wait(|state| state.abandoned >= count).await;
    }
}

/// An address on which no one listens. It prints as `127.0.0.1:port`.
///
/// It holds the port without listening, so that no other process is given it in the meantime.
#[derive(Debug)]
pub struct Refusing {
    addr: SocketAddr,
    _socket: TcpSocket,
}

impl Refusing {
    /// Returns the address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{self}")
    }
}

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Shared {
    script: Vec<Step>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    next: usize,
    connections: usize,
    abandoned: usize,
    closed: usize,
    attempts: Vec<Attempt>,
}

impl Shared {
    fn new(script: Vec<Step>) -> Self {
        Self {
            script,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    /// Gives up after two minutes: a test that hangs tells less than one that fails.
    async fn wait(&self, enough: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        let patience = timeout(Duration::from_secs(120), async {
            while !enough(&self.state()) {
                changed.changed().await.expect("the sender lives in self");
            }
        });
        patience
            .await
            .expect("what the test waits for happens within two minutes");
    }

    fn step(&self, state: &State) -> &Step {
        &self.script[state.next.min(self.script.len() - 1)]
    }

    /// Counts a connection; the step is used up if it is one that never reads the request.
    fn connected(&self) -> (usize, bool) {
        self.change(|state| {
            state.connections += 1;
            let refused = self.step(state).is_at_accept();
            state.next += usize::from(refused);
            (state.connections, refused)
        })
    }

    fn received(&self, attempt: Attempt) -> Step {
        self.change(|state| {
            let step = self.step(state).clone();
            state.next += 1;
            state.attempts.push(attempt);
            step
        })
    }

    fn abandoned(&self) {
        self.change(|state| state.abandoned += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (number, refused) = shared.connected();
        if refused {
            answer::reset(stream);
            continue;
        }
        let shared = shared.clone();
        connections.spawn(async move {
            serve(stream, number, &shared).await;
            shared.change(|state| state.closed += 1);
        });
    }
}

async fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(attempt) = wire::read_request(&mut stream, &mut buffer, connection).await {
        let method = attempt.method.clone();
        let step = shared.received(attempt);
        match step.answer(stream, &method).await {
            answer::After::KeepAlive(open) => stream = open,
            answer::After::Closed => return,
            answer::After::Abandoned => return shared.abandoned(),
        }
    }
}
