//! A wire tap: a proxy on a real socket that records each exchange and can answer in the peer's
//! place.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use super::http::{Kind, Message, PATIENCE, connect};

/// One request and what was answered, by whom.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// When the request was complete.
    pub(super) at: SystemTime,
    pub(super) request: Message,
    pub(super) response: Message,
    /// Whether the tap answered; the peer never saw the request.
    pub(super) injected: bool,
}

/// A running tap. Its threads end with the process.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    peer: SocketAddr,
    exchanges: Mutex<Vec<Exchange>>,
    injections: Mutex<VecDeque<String>>,
}

// ===== impl Tap =====

impl Tap {
    /// Listens on a free port and passes everything on to `peer`.
    pub(super) fn start(peer: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            peer,
            exchanges: Mutex::default(),
            injections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // A connection that breaks is the two peers' business: they see it, and so does a
                // check.
                thread::spawn(move || shared.relay(stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// Answers the next request with these bytes instead of passing it on.
    pub(super) fn inject(&self, response: String) {
        lock(&self.shared.injections).push_back(response);
    }

    /// Everything since the last call.
    pub(super) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *lock(&self.shared.exchanges))
    }
}

// ===== impl Shared =====

impl Shared {
    fn relay(&self, client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_nodelay(true)?;
        let mut to_client = client.try_clone()?;
        let mut from_client = BufReader::new(client);
        let mut to_peer = connect(self.peer)?;
        let mut from_peer = BufReader::new(to_peer.try_clone()?);

        while let Some(request) = Message::read(&mut from_client, Kind::Request)? {
            let at = SystemTime::now();
            let injected = lock(&self.injections).pop_front();
            let response = match &injected {
                Some(bytes) => {
                    Message::read(&mut bytes.as_bytes(), Kind::Response(request.method()))?
                }
                None => {
                    to_peer.write_all(&request.raw)?;
                    Message::read(&mut from_peer, Kind::Response(request.method()))?
                }
            }
            .ok_or(io::ErrorKind::UnexpectedEof)?;
            let raw = response.raw.clone();
            let cut_short = response.cut_short;
            // Recorded first: a caller that has the answer finds the exchange.
            lock(&self.exchanges).push(Exchange {
                at,
                request,
                response,
                injected: injected.is_some(),
            });
            to_client.write_all(&raw)?;
            if cut_short {
                // The end of the connection is all that tells the client.
                break;
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
