//! One connection, replaced when it has become useless, and the server's clock as seen through it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::{Options, Server};
use fred::types::{Builder, ClusterHash, ConnectHandle, CustomCommand, Value};
use tokio::time::{Instant, timeout_at};

use crate::boot_clock;
use crate::error::{Error, ErrorKind};
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::redis::connect_failure::{ConnectFailure, record_failures, servers};
use crate::store::redis::error::{from_client, is_moving, is_unknown_script};
use crate::store::redis::inspection::inspect;
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
pub(super) struct Connector {
    builder: Builder,
    command_timeout: Duration,
    servers: Arc<str>,
    connection: Mutex<Option<Arc<Connection>>>,
}

pub(super) struct Connection {
    client: Client,
    task: ConnectHandle,
    /// Nanoseconds of the boot clock.
    last_reply: AtomicU64,
    clock: Mutex<Option<ClockSample>>,
    failure: Arc<Mutex<Option<ConnectFailure>>>,
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

impl Connector {
    pub(super) fn new(builder: Builder, command_timeout: Duration) -> Self {
        Self {
            servers: servers(&builder),
            builder,
            command_timeout,
            connection: Mutex::new(None),
        }
    }

    pub(super) fn builder(&self) -> &Builder {
        &self.builder
    }

    /// Returns the connection. It is a new one if there is none or if its task has ended.
    pub(super) fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut slot = self.connection.lock();
        if let Some(connection) = slot.as_ref().filter(|open| !open.task.is_finished()) {
            return Ok(connection.clone());
        }
        let client = self
            .builder
            .build()
            .map_err(|error| from_client(&error).never_sent())?;
        let failure = Arc::default();
        tokio::spawn(record_failures(
            client.error_rx(),
            client.reconnect_rx(),
            Arc::clone(&failure),
        ));
        let task = client.connect();
        let connection = Arc::new(Connection {
            client,
            task,
            last_reply: AtomicU64::new(boot_clock::nanos(boot_clock::now())),
            clock: Mutex::new(None),
            failure,
            servers: self.servers.clone(),
            inspected: AtomicBool::new(false),
        });
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Ends a connection. The next command opens another.
    fn replace(&self, useless: &Arc<Connection>) {
        let mut slot = self.connection.lock();
        if slot.as_ref().is_some_and(|open| Arc::ptr_eq(open, useless)) {
            *slot = None;
        }
        useless.task.abort();
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
        let args = invocation.args_until(server_us + left.as_micros() as u64);
        let script = invocation.script;
        let sha = script
            .sha
            .get_or_init(|| fred::util::sha1_hash(script.text));
        let with = |script: &str| {
            let mut all = Vec::with_capacity(1 + args.len());
            all.push(script.to_owned());
            all.extend_from_slice(&args);
            all
        };

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
        let reply = Reply::read(strings(value?), &invocation.expected_echo())
            .inspect_err(|_| self.replace(&connection))?;
        connection.record_clock(reply.server_us()?, sent);
        if !connection.inspected.swap(true, Ordering::Relaxed) {
            tokio::spawn(inspect(
                connection.client.clone(),
                name.key(),
                self.command_timeout,
            ));
        }
        Ok(reply)
    }

    async fn sample_clock(
        &self,
        connection: &Arc<Connection>,
        name: &LockName,
        deadline: Instant,
    ) -> Result<u64, Error> {
        let sent = boot_clock::now();
        let value = self
            .send(connection, name, "TIME", Vec::new(), deadline)
            .await?;
        let time: Vec<u64> = strings(value)
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
                let command = CustomCommand::new_static("SCAN", ClusterHash::FirstKey, false);
                let page = self
                    .dispatch(
                        &connection,
                        (command, node.clone()),
                        args.map(str::to_owned).collect(),
                        Instant::now() + timeout,
                    )
                    .await?;
                let Value::Array(mut page) = page else {
                    return Err(Error::new(ErrorKind::Corrupt, "SCAN"));
                };
                let (found, next) = (page.pop(), page.pop());
                keys.extend(found.map(strings).unwrap_or_default());
                match next.and_then(Value::into_string) {
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
        connection: &Arc<Connection>,
        name: &LockName,
        command: &'static str,
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        // The slot is that of all keys of the lock: the library would hash the first argument.
        let command = CustomCommand::new_static(command, name.key().as_str(), false);
        self.dispatch(connection, (command, None), args, deadline)
            .await
    }

    /// Sends one command, once, to a node of a Cluster or to the one that has its slot.
    pub(super) async fn dispatch(
        &self,
        connection: &Arc<Connection>,
        (command, node): (CustomCommand, Option<Server>),
        args: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let began = boot_clock::now();
        let within = deadline.saturating_duration_since(Instant::now());
        if within.is_zero() {
            return Err(Error::timeout(self.command_timeout).never_sent());
        }
        connection.connected(deadline).await?;
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(deadline.saturating_duration_since(Instant::now())),
            cluster_node: node,
            ..Options::default()
        };
        let client = connection.client.with_options(&options);
        // Boxed, or the library's deep futures would overflow the compiler's depth limit in crates
        // that use this one.
        let command: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(client.custom::<Value, String>(command, args));
        // The library's timeout takes a command that was not sent out of its queue. Ours is for the
        // case that the library does not keep to its own.
        let answer = timeout_at(deadline + Duration::from_millis(20), command).await;
        let error = match answer {
            Ok(Ok(value)) => {
                let now = boot_clock::nanos(boot_clock::now());
                connection.last_reply.store(now, Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => from_client(&error),
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

impl Connection {
    /// Waits until it is connected. A failed attempt to connect is an answer.
    pub(super) async fn connected(&self, deadline: Instant) -> Result<(), Error> {
        while !self.client.is_connected() {
            tokio::select! {
                biased;
                connected = self.client.wait_for_connect() => {
                    connected.map_err(|error| from_client(&error).never_sent())?;
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Err(self.not_connected());
                }
                // It may have connected between the question and the subscription.
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        Ok(())
    }

    /// Lists the nodes that keep keys; one without a name if there is no Cluster.
    pub(super) fn primaries(&self) -> Vec<Option<Server>> {
        if !self.client.is_clustered() {
            return vec![None];
        }
        let nodes = self.client.active_connections();
        nodes.into_iter().map(Some).collect()
    }

    fn not_connected(&self) -> Error {
        let servers = &self.servers;
        match &*self.failure.lock() {
            Some(failure) if failure.kind == ErrorKind::Refused => {
                Error::new(ErrorKind::Refused, &failure.detail)
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

impl Drop for Connection {
    fn drop(&mut self) {
        // Dropping the client does not end its task.
        self.task.abort();
    }
}

pub(super) fn strings(value: Value) -> Vec<String> {
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| item.into_string().unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    }
}
