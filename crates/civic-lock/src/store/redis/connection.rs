//! One connection, replaced when it has become useless, and the server's clock as seen through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::boot_clock;
use crate::error::{Error, ErrorKind};
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::redis::client::client::Client;
use crate::store::redis::client::link::Link;
use crate::store::redis::client::route::Route;
use crate::store::redis::client::value::Value;
use crate::store::redis::error::{is_moving, is_unknown_script};
use crate::store::redis::inspection::report;
use crate::store::redis::invocation::Invocation;
use crate::store::redis::reply::Reply;

/// Two clocks drift apart by up to some 30 ms in this time.
const MAX_SAMPLE_AGE: Duration = Duration::from_secs(5 * 60);
/// A sample that took longer than this does not correct an earlier one downwards.
const MAX_SAMPLE_RTT: Duration = Duration::from_millis(50);
/// How many keys a server looks at for one page of a list: a few milliseconds of its time. Pages
/// come one after the other, so smaller ones would take longer.
const SCAN_COUNT: &str = "10000";

/// Opens a connection when there is none, and replaces one that has become useless.
pub(super) struct Connector<C: Client> {
    client: C,
    command_timeout: Duration,
    servers: Arc<str>,
    connection: Mutex<Option<Arc<Connection<C::Link>>>>,
}

pub(super) struct Connection<L> {
    link: L,
    /// Nanoseconds of the boot clock.
    last_reply: AtomicU64,
    clock: Mutex<Option<ClockSample>>,
    /// Where it connects to, for errors.
    servers: Arc<str>,
    inspected: AtomicBool,
}

/// The server's clock was `server_us` at the latest when ours was `at`.
#[derive(Clone, Copy)]
struct ClockSample {
    server_us: u64,
    at: Duration,
}

// ===== impl Connector =====

impl<C: Client> Connector<C> {
    pub(super) fn new(client: C, command_timeout: Duration) -> Self {
        Self {
            servers: client.servers(),
            client,
            command_timeout,
            connection: Mutex::new(None),
        }
    }

    pub(super) fn client(&self) -> &C {
        &self.client
    }

    /// Returns the connection. It is a new one if there is none or if its link has ended.
    pub(super) fn connection(&self) -> Result<Arc<Connection<C::Link>>, Error> {
        let mut slot = self.connection.lock();
        if let Some(connection) = slot.as_ref().filter(|open| !open.link.is_finished()) {
            return Ok(connection.clone());
        }
        let connection = Arc::new(Connection {
            link: self.client.connect().map_err(Error::never_sent)?,
            last_reply: AtomicU64::new(boot_clock::nanos(boot_clock::now())),
            clock: Mutex::new(None),
            servers: self.servers.clone(),
            inspected: AtomicBool::new(false),
        });
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Ends a connection. The next command opens another.
    fn replace(&self, useless: &Arc<Connection<C::Link>>) {
        let mut slot = self.connection.lock();
        if slot.as_ref().is_some_and(|open| Arc::ptr_eq(open, useless)) {
            *slot = None;
        }
        useless.link.close();
    }

    /// Runs a script. One that came too late by our sample of the server's clock is sent once more:
    /// its reply has corrected the sample.
    pub(super) async fn run(
        &self,
        invocation: &Invocation<'_>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        for _ in 0..2 {
            let reply = self.run_once(invocation, deadline).await?;
            if reply.outcome() != Reply::EXPIRED {
                return Ok(reply);
            }
        }
        Err(Error::new(ErrorKind::Expired, ""))
    }

    async fn run_once(
        &self,
        invocation: &Invocation<'_>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let connection = self.connection()?;
        let name = invocation.name;
        let server_us = match connection.server_us() {
            Some(server_us) => server_us,
            None => self
                .sample_clock(&connection, name, deadline)
                .await
                .map_err(Error::never_sent)?,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let not_after = server_us + left.as_micros() as u64;
        let script = invocation.script;
        let sha = script.sha.get_or_init(|| C::script_name(script.text));
        let with = |script: &str| invocation.args_until(not_after, script);

        let sent = boot_clock::now();
        let mut value = self
            .send(&connection, name, "EVALSHA", with(sha), deadline)
            .await;
        if value.as_ref().is_err_and(is_moving) {
            // If it was MOVED, the library knows the new owner by now.
            value = self
                .send(&connection, name, "EVALSHA", with(sha), deadline)
                .await;
        }
        if value.as_ref().is_err_and(is_unknown_script) {
            value = self
                .send(&connection, name, "EVAL", with(script.text), deadline)
                .await;
        }
        let items = match value? {
            Value::Text(lines) => lines.split('\n').map(str::to_owned).collect(),
            list => list.into_texts(),
        };
        let reply = Reply::read(items, &invocation.expected_echo())
            .inspect_err(|_| self.replace(&connection))?;
        connection.record_clock(reply.server_us()?, sent);
        if !connection.inspected.swap(true, Ordering::Relaxed) {
            let (slot, within) = (name.key(), self.command_timeout);
            tokio::spawn(async move {
                let (to, deadline) = (Route::Key(&slot), Instant::now() + within);
                let info = connection.link.send(to, "INFO", Vec::new(), deadline);
                report(info.await);
            });
        }
        Ok(reply)
    }

    async fn sample_clock(
        &self,
        connection: &Arc<Connection<C::Link>>,
        name: &LockName,
        deadline: Instant,
    ) -> Result<u64, Error> {
        let sent = boot_clock::now();
        let value = self
            .send(connection, name, "TIME", Vec::new(), deadline)
            .await?;
        let time: Vec<u64> = value
            .into_texts()
            .iter()
            .filter_map(|part| part.parse().ok())
            .collect();
        let [seconds, micros] = time[..] else {
            self.replace(connection);
            return Err(Error::new(ErrorKind::Corrupt, "TIME"));
        };
        let server_us = seconds * 1_000_000 + micros;
        connection.record_clock(server_us, sent);
        Ok(server_us)
    }

    /// Lists the keys that match a pattern, on every primary. A key may come twice.
    pub(super) async fn scan(
        &self,
        pattern: &str,
        timeout: Duration,
    ) -> Result<Vec<String>, Error> {
        let connection = self.connection()?;
        connection.connected(Instant::now() + timeout).await?;
        let mut keys = Vec::new();
        for node in connection.primaries() {
            let mut cursor = "0".to_owned();
            loop {
                let args = ["MATCH", pattern, "COUNT", SCAN_COUNT];
                let args = std::iter::once(cursor.as_str()).chain(args);
                let page = self
                    .dispatch(
                        &connection,
                        Route::Node(&node),
                        "SCAN",
                        args.map(str::to_owned).collect(),
                        Instant::now() + timeout,
                    )
                    .await?;
                let Value::List(mut page) = page else {
                    return Err(Error::new(ErrorKind::Corrupt, "SCAN"));
                };
                let (found, next) = (page.pop(), page.pop());
                keys.extend(found.map(Value::into_texts).unwrap_or_default());
                match next.and_then(Value::into_text) {
                    Some(next) if next != "0" => cursor = next,
                    Some(_) => break,
                    None => return Err(Error::new(ErrorKind::Corrupt, "SCAN")),
                }
            }
        }
        Ok(keys)
    }

    /// Sends one command about one lock, once.
    pub(super) async fn send(
        &self,
        connection: &Arc<Connection<C::Link>>,
        name: &LockName,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        // The slot is that of all keys of the lock.
        let key = name.key();
        self.dispatch(connection, Route::Key(&key), command, args, deadline)
            .await
    }

    /// Sends one command, once, to a node of a Cluster or to the one that has the slot of a key.
    pub(super) async fn dispatch(
        &self,
        connection: &Arc<Connection<C::Link>>,
        to: Route<'_, <C::Link as Link>::Node>,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let began = boot_clock::now();
        if deadline <= Instant::now() {
            return Err(Error::timeout(self.command_timeout).never_sent());
        }
        connection.connected(deadline).await?;
        let answer = connection.link.send(to, command, args, deadline);
        // For the case that the library does not keep to the deadline.
        let error = match timeout_at(deadline + Duration::from_millis(20), answer).await {
            Ok(Ok(value)) => {
                let now = boot_clock::nanos(boot_clock::now());
                connection.last_reply.store(now, Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => error,
            Err(_) => Error::timeout(self.command_timeout),
        };
        if error.kind() == ErrorKind::Timeout
            && connection.silence(began) >= self.command_timeout / 2
        {
            self.replace(connection);
        }
        Err(error)
    }
}

// ===== impl Connection =====

impl<L: Link> Connection<L> {
    /// Waits until it is connected.
    pub(super) async fn connected(&self, deadline: Instant) -> Result<(), Error> {
        if self.link.is_connected() {
            return Ok(());
        }
        match timeout_at(deadline, self.link.connected()).await {
            Ok(connected) => connected.map_err(Error::never_sent),
            Err(_) => Err(self.not_connected()),
        }
    }

    /// Lists the nodes that keep keys.
    pub(super) fn primaries(&self) -> Vec<L::Node> {
        self.link.primaries()
    }

    fn not_connected(&self) -> Error {
        let servers = &self.servers;
        match self.link.failure() {
            Some(failure) if failure.kind == ErrorKind::Refused => {
                Error::new(ErrorKind::Refused, failure.detail)
            }
            Some(failure) => Error::new(
                ErrorKind::Connection,
                format!("cannot connect to {servers}: {}", failure.detail),
            ),
            None => Error::new(
                ErrorKind::Connection,
                format!("cannot connect to {servers}: it does not answer"),
            ),
        }
        .never_sent()
    }

    /// For how long it has said nothing to a command that began at `began`.
    fn silence(&self, began: Duration) -> Duration {
        let last = Duration::from_nanos(self.last_reply.load(Ordering::Relaxed));
        boot_clock::now().saturating_sub(last.max(began))
    }

    /// What the server's clock shows now, or a little less.
    fn server_us(&self) -> Option<u64> {
        let sample = (*self.clock.lock())?;
        let age = boot_clock::now().saturating_sub(sample.at);
        (age < MAX_SAMPLE_AGE).then(|| sample.server_us + age.as_micros() as u64)
    }

    fn record_clock(&self, server_us: u64, sent: Duration) {
        let at = boot_clock::now();
        let prompt = at.saturating_sub(sent) < MAX_SAMPLE_RTT;
        if prompt || self.server_us().is_none_or(|guess| guess < server_us) {
            *self.clock.lock() = Some(ClockSample { server_us, at });
        }
    }
}
