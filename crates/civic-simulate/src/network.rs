//! What lies between the clients and the servers, in place of sockets.
//!
//! A [`Network`] is a tower service, the lowest one of each client's stack. It takes no time of
//! its own and loses nothing. A client that gives an attempt up does not stop the server, which
//! works on as a real one does and counts the request as being in flight until its answer would
//! have been due.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower_service::Service;

use crate::random::Random;
use crate::server::{Node, Server};

/// The header that says which call an attempt belongs to, as a number from 0.
pub const CALL: HeaderName = HeaderName::from_static("x-call");

/// What a server that refuses a request before working on it asks for: the shortest wait that the
/// header can express and that is one.
const ASKED_WAIT: HeaderValue = HeaderValue::from_static("1");

/// The base URL of all servers together, where they are behind one name.
pub const ONE_NAME: &str = "http://service";

/// Who chooses the server of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Topology {
    /// All servers are behind one name, `http://service/`, and a balancer picks one of them at
    /// random for each attempt. This is what a Kubernetes Service gives to a client that opens a
    /// connection.
    OneName,
    /// Each server has a name of its own, `http://node-0/`, `http://node-1/` and so on, and the
    /// client chooses.
    NamePerNode,
}

/// The servers of one simulation and the way to them. Clones lead to the same servers.
#[derive(Clone, Debug)]
pub struct Network {
    state: Arc<Mutex<State>>,
    started: Instant,
    topology: Topology,
}

#[derive(Debug)]
struct State {
    servers: Vec<Server>,
    balancer: Random,
    calls: BTreeMap<usize, CallRecord>,
    traffic: Traffic,
}

/// What the servers saw, all of them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The requests that arrived.
    pub attempts: u64,
    /// The time from the arrival to the answer, summed over all answers.
    pub server_time: Duration,
    /// The calls that are not idempotent and were sent again although an earlier attempt may have
    /// been executed.
    pub perhaps_twice: u64,
    /// The requests that arrived in each second.
    pub per_second: BTreeMap<u64, u64>,
}

/// What is known about one call at the servers' side.
#[derive(Debug, Default)]
struct CallRecord {
    /// The attempts of which the servers have not said that they were not taken.
    perhaps_executed: u32,
    repeated: bool,
}

// ===== impl Network =====

impl Network {
    /// Starts the servers. Has to be called inside of the runtime whose time the simulation uses.
    #[must_use]
    pub fn new(nodes: &[Node], topology: Topology, seed: u64) -> Self {
        let servers = (1..)
            .zip(nodes)
            .map(|(stream, node)| Server::new(node.clone(), Random::stream(seed, stream)))
            .collect();
        let state = State {
            servers,
            balancer: Random::stream(seed, 0),
            calls: BTreeMap::new(),
            traffic: Traffic::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            started: Instant::now(),
            topology,
        }
    }

    /// Returns who chooses the server of an attempt.
    #[must_use]
    pub const fn topology(&self) -> Topology {
        self.topology
    }

    /// Returns the hosts of the servers that are there now, where each has a name of its own.
    #[must_use]
    pub fn hosts_up(&self) -> Vec<String> {
        let now = self.started.elapsed();
        let state = self.state();
        (0..state.servers.len())
            .filter(|index| state.servers[*index].is_up(now))
            .map(|index| format!("node-{index}"))
            .collect()
    }

    /// Returns what the servers saw so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.state().traffic.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a request to a server, and returns where its answer will come from.
    fn arrive<B>(&self, request: &Request<B>) -> oneshot::Receiver<StatusCode> {
        let now = self.started.elapsed();
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        let Some(server) = state.choose(self.topology, now, request.uri().host()) else {
            // Dropping the sender is what the client sees as a failed connection.
            return receiver;
        };
        let call = call_number(request);
        let idempotent = request.method().is_idempotent();
        state.arrived(now, call, idempotent);
        let answer = state.servers[server].accept(now, request.uri().path());
        drop(state);

        let network = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(answer.takes).await;
            network.answered(server, call, answer.status, now);
            // Fails if the client has gone away, which changes nothing here.
            let _ = sender.send(answer.status);
        });
        receiver
    }

    fn answered(&self, server: usize, call: Option<usize>, status: StatusCode, arrived: Duration) {
        let took = self.started.elapsed() - arrived;
        let mut state = self.state();
        state.servers[server].finish();
        state.traffic.server_time += took;
        // A 5xx without `Retry-After` says nothing about what the server did before it failed.
        let not_taken = status.is_client_error() || asks_to_wait(status);
        if not_taken && let Some(record) = call.and_then(|call| state.calls.get_mut(&call)) {
            record.perhaps_executed -= 1;
        }
    }
}

impl State {
    fn choose(&mut self, topology: Topology, now: Duration, host: Option<&str>) -> Option<usize> {
        let up: Vec<usize> = (0..self.servers.len())
            .filter(|index| self.servers[*index].is_up(now))
            .collect();
        match topology {
            Topology::OneName => up.get(self.balancer.below(up.len())).copied(),
            Topology::NamePerNode => {
                let index = host?.strip_prefix("node-")?.parse().ok()?;
                up.contains(&index).then_some(index)
            }
        }
    }

    fn arrived(&mut self, now: Duration, call: Option<usize>, idempotent: bool) {
        self.traffic.attempts += 1;
        *self.traffic.per_second.entry(now.as_secs()).or_default() += 1;
        let Some(call) = call else { return };
        let record = self.calls.entry(call).or_default();
        if !idempotent && record.perhaps_executed > 0 && !record.repeated {
            record.repeated = true;
            self.traffic.perhaps_twice += 1;
        }
        record.perhaps_executed += 1;
    }
}

fn call_number<B>(request: &Request<B>) -> Option<usize> {
    request.headers().get(CALL)?.to_str().ok()?.parse().ok()
}

/// Whether an answer with this status carries `Retry-After`, with which a server says that it did
/// not take the request.
fn asks_to_wait(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

impl<B> Service<Request<B>> for Network {
    type Response = Response<Full<Bytes>>;
    type Error = civic_client::Error;
    type Future =
        Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.arrive(&request);
        Box::pin(async move {
            let status = answer
                .await
                .map_err(|_| civic_client::Error::new(civic_client::ErrorKind::Connect))?;
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            if asks_to_wait(status) {
                response.headers_mut().insert(RETRY_AFTER, ASKED_WAIT);
            }
            Ok(response)
        })
    }
}
