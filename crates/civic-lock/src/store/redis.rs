//! Locks in Redis or Valkey. The only file that names the client library.
//!
//! What is promised of the connection:
//!
//! 1. Each operation ends within the command timeout, connecting included, whatever the server and
//!    the network do.
//! 2. A command is sent at most once. A command that was not sent when its time was over is never
//!    sent; one that was sent and arrives late does nothing (`not_after`).
//! 3. A reply that does not begin with the caller's own value is not believed, and ends the
//!    connection.
//! 4. A connection that says nothing while a command times out is replaced.
//! 5. TLS was asked for and is not built in: refused before anything is sent.
//! 6. Why there is no connection is said in the server's own words, if it has said any.
//!
//! In a Cluster whose slots move, a command that is answered with MOVED goes to the new owner. One
//! that is answered with ASK is refused for as long as the slot is on its way.
//!
//! The client library's own defaults keep none of these: it re-sends a command up to three times,
//! has no timeout, believes a broken connection to be connected, and speaks `rediss://` in clear
//! when it was built without TLS. So everything goes through [`Link::ask`], and there through
//! `custom`: the library's script functions drop timeouts and attempt limits without a word.

mod operations;
mod reply;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use fred::clients::{Client, SubscriberClient};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{
    Config, ConnectionConfig, Options, PerformanceConfig, ReconnectError, ReconnectPolicy, Server,
    TcpConfig,
};
use fred::types::{Builder, ConnectHandle, CustomCommand, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::operations::RedisStore;
use self::reply::Reply;
use super::Hints;
use super::scripts::Script;
use crate::lease::clock;
use crate::{Error, ErrorKind, LockName};

/// Two clocks drift apart by up to some 30 ms in this time.
const CALIBRATION_AGE: Duration = Duration::from_secs(5 * 60);
/// A reading of the server's clock is not corrected by one that took longer than this.
const PROMPT: Duration = Duration::from_millis(50);
/// Commands that may wait for the connection; beyond it they fail at once.
const MAX_QUEUED: usize = 100_000;
/// The answer was MOVED or ASK, and nothing was done.
const MOVING: &str = "the slot of the lock is being moved to another node of the cluster";

/// One connection, replaced when it has become useless.
struct Link {
    builder: Builder,
    command_timeout: Duration,
    live: Mutex<Option<Arc<Live>>>,
}

struct Live {
    client: Client,
    task: ConnectHandle,
    /// Nanoseconds of the lease clock.
    last_reply: AtomicU64,
    clock: Mutex<Option<Reading>>,
    obstacle: Obstacle,
}

/// Why the last attempt to connect has failed; none once one has succeeded.
type Obstacle = Arc<Mutex<Option<(ErrorKind, String)>>>;

/// The server's clock was `server_us` at the latest when ours was `at`.
#[derive(Clone, Copy)]
struct Reading {
    server_us: u64,
    at: Duration,
}

// ===== impl Link =====

impl Link {
    fn new(builder: Builder, command_timeout: Duration) -> Self {
        Self {
            builder,
            command_timeout,
            live: Mutex::new(None),
        }
    }

    /// The connection; a new one if there is none, or if its task has ended.
    fn live(&self) -> Result<Arc<Live>, Error> {
        let mut slot = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = slot.as_ref().filter(|live| !live.task.is_finished()) {
            return Ok(live.clone());
        }
        let client = self.builder.build().map_err(|error| from_client(&error))?;
        let obstacle = Obstacle::default();
        tokio::spawn(note_obstacles(
            client.error_rx(),
            client.reconnect_rx(),
            obstacle.clone(),
        ));
        let task = client.connect();
        let live = Arc::new(Live {
            client,
            task,
            last_reply: AtomicU64::new(nanos(clock::now())),
            clock: Mutex::new(None),
            obstacle,
        });
        *slot = Some(live.clone());
        Ok(live)
    }

    /// Ends a connection; the next command opens another.
    fn replace(&self, useless: &Arc<Live>) {
        let mut slot = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|live| Arc::ptr_eq(live, useless)) {
            *slot = None;
        }
        useless.task.abort();
    }

    /// Runs a script. A script that comes too late by our reading of the server's clock is sent
    /// once more: the reply has corrected the reading.
    async fn run(
        &self,
        script: &Script,
        name: &LockName,
        keys: &[String],
        echo: &str,
        arguments: &[String],
        within: Duration,
    ) -> Result<Reply, Error> {
        let deadline = Instant::now() + within;
        let reply = self
            .run_once(script, name, keys, echo, arguments, deadline)
            .await?;
        if reply.what() != "expired" {
            return Ok(reply);
        }
        let reply = self
            .run_once(script, name, keys, echo, arguments, deadline)
            .await?;
        if reply.what() != "expired" {
            return Ok(reply);
        }
        Err(Error::new(ErrorKind::Expired, ""))
    }

    async fn run_once(
        &self,
        script: &Script,
        name: &LockName,
        keys: &[String],
        echo: &str,
        arguments: &[String],
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let live = self.live()?;
        let server_us = match live.server_us() {
            Some(server_us) => server_us,
            None => self.calibrate(&live, name, deadline).await?,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let not_after = server_us + left.as_micros() as u64;
        let sha = script
            .sha
            .get_or_init(|| fred::util::sha1_hash(script.text));

        let mut words = Vec::with_capacity(4 + keys.len() + arguments.len());
        words.push(sha.clone());
        words.push(keys.len().to_string());
        words.extend_from_slice(keys);
        words.push(echo.to_owned());
        words.push(not_after.to_string());
        words.extend_from_slice(arguments);

        let sent = clock::now();
        let mut value = self
            .ask(&live, name, "EVALSHA", words.clone(), deadline)
            .await;
        if value.as_ref().is_err_and(is_moving) {
            // If it was MOVED, the library knows the new owner by now.
            value = self
                .ask(&live, name, "EVALSHA", words.clone(), deadline)
                .await;
        }
        if value.as_ref().is_err_and(is_unknown_script) {
            script.text.clone_into(&mut words[0]);
            value = self.ask(&live, name, "EVAL", words, deadline).await;
        }
        let reply = Reply::read(strings(value?), echo).inspect_err(|_| self.replace(&live))?;
        live.read_clock(reply.server_us()?, sent);
        Ok(reply)
    }

    async fn calibrate(
        &self,
        live: &Arc<Live>,
        name: &LockName,
        deadline: Instant,
    ) -> Result<u64, Error> {
        let sent = clock::now();
        let value = self.ask(live, name, "TIME", Vec::new(), deadline).await?;
        let time: Vec<u64> = strings(value)
            .iter()
            .filter_map(|part| part.parse().ok())
            .collect();
        let [seconds, micros] = time[..] else {
            self.replace(live);
            return Err(Error::new(ErrorKind::Corrupt, "TIME"));
        };
        live.read_clock(seconds * 1_000_000 + micros, sent);
        Ok(seconds * 1_000_000 + micros)
    }

    /// Sends one command, once.
    async fn ask(
        &self,
        live: &Arc<Live>,
        name: &LockName,
        command: &'static str,
        words: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let began = clock::now();
        let within = deadline.saturating_duration_since(Instant::now());
        if within.is_zero() {
            return Err(Error::timeout(self.command_timeout));
        }
        live.connected(deadline).await?;
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(deadline.saturating_duration_since(Instant::now())),
            ..Options::default()
        };
        let client = live.client.with_options(&options);
        // The slot is that of all keys of the lock: the library would hash the first argument.
        let command = CustomCommand::new_static(command, name.key().as_str(), false);
        // Boxed, or the library's deep futures would overflow the compiler's depth limit in crates
        // that use this one.
        let command: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(client.custom::<Value, String>(command, words));
        // The library's timeout takes a command that was not sent out of its queue; ours is for the
        // case that the library does not keep to its own.
        let answer = timeout_at(deadline + Duration::from_millis(20), command).await;
        let error = match answer {
            Ok(Ok(value)) => {
                live.last_reply
                    .store(nanos(clock::now()), Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => from_client(&error),
            Err(_) => Error::timeout(self.command_timeout),
        };
        if error.kind() == ErrorKind::Timeout {
            let silent_since = live.last_reply.load(Ordering::Relaxed).max(nanos(began));
            let silence = nanos(clock::now()).saturating_sub(silent_since);
            if silence >= nanos(self.command_timeout) / 2 {
                self.replace(live);
            }
        }
        Err(error)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Dropping the client does not end its task.
        self.task.abort();
    }
}

// ===== impl Live =====

impl Live {
    /// Waits until it is connected. A failed attempt to connect is an answer.
    async fn connected(&self, deadline: Instant) -> Result<(), Error> {
        while !self.client.is_connected() {
            tokio::select! {
                biased;
                connected = self.client.wait_for_connect() => {
                    connected.map_err(|error| from_client(&error))?;
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Err(self.unconnected());
                }
                // It may have connected between the question and the subscription.
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        Ok(())
    }

    fn unconnected(&self) -> Error {
        let obstacle = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner);
        match &*obstacle {
            Some((ErrorKind::Refused, said)) => Error::new(ErrorKind::Refused, said),
            Some((_, why)) => Error::new(
                ErrorKind::Connection,
                format!("connecting takes too long: {why}"),
            ),
            None => Error::new(ErrorKind::Connection, "connecting takes too long"),
        }
    }

    /// What the server's clock shows now, or a little less.
    fn server_us(&self) -> Option<u64> {
        let reading = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        let age = clock::now().saturating_sub(reading.at);
        (age < CALIBRATION_AGE).then(|| reading.server_us + age.as_micros() as u64)
    }

    fn read_clock(&self, server_us: u64, sent: Duration) {
        let at = clock::now();
        let prompt = at.saturating_sub(sent) < PROMPT;
        if prompt || self.server_us().is_none_or(|guess| guess < server_us) {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Reading { server_us, at });
        }
    }
}

/// Remembers what is in the way. Ends with the client.
async fn note_obstacles(
    mut errors: broadcast::Receiver<(fred::error::Error, Option<Server>)>,
    mut connections: broadcast::Receiver<Server>,
    obstacle: Obstacle,
) {
    loop {
        let now = tokio::select! {
            biased;
            error = errors.recv() => match error {
                Ok((error, _)) => {
                    let error = from_client(&error);
                    Some((error.kind(), error.detail().to_owned()))
                }
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
            connected = connections.recv() => match connected {
                Ok(_) | Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return,
            },
        };
        *obstacle.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

fn strings(value: Value) -> Vec<String> {
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| item.into_string().unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    }
}

fn is_unknown_script(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail().starts_with("NOSCRIPT")
}

fn is_moving(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.detail() == MOVING
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The library's errors are text; their texts name no URL and no password.
fn from_client(error: &fred::error::Error) -> Error {
    use fred::error::ErrorKind as Client;
    let details = error.details().to_owned();
    let kind = match error.kind() {
        Client::Timeout => ErrorKind::Timeout,
        Client::Protocol | Client::Parse => ErrorKind::Corrupt,
        Client::Config | Client::Url => ErrorKind::Config,
        _ if details.starts_with("WRONGTYPE") => ErrorKind::WrongType,
        Client::Auth => ErrorKind::Refused,
        Client::Routing if details == "Too many redirections." => {
            return Error::new(ErrorKind::Refused, MOVING);
        }
        // The same kinds stand for a connection that ended under a command. Only what the server
        // says is known to have changed nothing.
        _ if is_error_reply(&details) => ErrorKind::Refused,
        _ => ErrorKind::Connection,
    };
    Error::new(kind, details)
}

/// `OOM command not allowed…`, `READONLY You can't write…`: a word in capitals comes first.
fn is_error_reply(details: &str) -> bool {
    let word = details.split(' ').next().unwrap_or_default();
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

// ===== configuration =====

fn builder(url: &str, command_timeout: Duration) -> Result<Builder, Error> {
    let config = config(url)?;
    let mut builder = Builder::from_config(config);
    builder
        .with_connection_config(|connection: &mut ConnectionConfig| {
            connection.connection_timeout = command_timeout.min(Duration::from_secs(2));
            connection.internal_command_timeout = command_timeout.min(Duration::from_secs(2));
            connection.max_command_attempts = 1;
            // The library asks for a slot that is on its way on a connection that others use, takes
            // the next reply for its own, and asks the old node again. So it is not to.
            connection.max_redirections = 0;
            connection.max_command_buffer_len = MAX_QUEUED;
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
            connection.reconnect_errors = vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ];
        })
        .with_performance_config(|performance: &mut PerformanceConfig| {
            performance.default_command_timeout = command_timeout;
        });
    // For ever: a policy that ends makes a client that never comes back. The first delay comes
    // before the first attempt.
    let mut policy = ReconnectPolicy::new_exponential(0, 20, 2_000, 2);
    policy.set_jitter(20);
    builder.set_policy(policy);
    Ok(builder)
}

fn config(url: &str) -> Result<Config, Error> {
    let invalid = || {
        Error::config(
            "the URL of Redis is not one of redis[s]://, redis[s]-cluster://, \
             redis[s]-sentinel://…?sentinelServiceName=…, or the same with valkey",
        )
    };
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
    let scheme = scheme.to_ascii_lowercase();
    let (base, topology) = scheme
        .split_once('-')
        .map_or((scheme.as_str(), None), |(base, topology)| {
            (base, Some(topology))
        });
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(invalid()),
    };
    let plain = match topology {
        None => format!("redis://{rest}"),
        Some("cluster") => format!("redis-cluster://{rest}"),
        Some("sentinel") => format!("redis-sentinel://{rest}"),
        Some(_) => return Err(invalid()),
    };
    // Without its text: the parser's error might quote the URL.
    let mut config = Config::from_url(&plain).map_err(|_| invalid())?;
    config.fail_fast = false;
    if tls {
        encrypt(&mut config)?;
    }
    Ok(config)
}

#[cfg(not(feature = "tls"))]
fn encrypt(_: &mut Config) -> Result<(), Error> {
    Err(Error::config(
        "the URL of Redis asks for TLS: build civic-lock with the feature `tls`",
    ))
}

/// With a named provider of cryptography: the process-wide default panics when the dependency
/// graph has two.
#[cfg(feature = "tls")]
fn encrypt(config: &mut Config) -> Result<(), Error> {
    use fred::rustls::crypto::aws_lc_rs;
    use fred::rustls::{ClientConfig, RootCertStore};

    let mut roots = RootCertStore::empty();
    // One bad certificate of the system does not spoil the others.
    roots.add_parsable_certificates(fred::rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::config(
            "TLS is asked for, and the system has no root certificates",
        ));
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS versions").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.tls = Some(fred::types::config::TlsConnector::from(tls).into());
    Ok(())
}

// ===== hints =====

/// Who listens to which channel.
type Listeners = Arc<Mutex<HashMap<String, Weak<Subscription>>>>;

/// One connection that listens for all names of this process.
#[derive(Debug)]
struct Hub {
    listeners: Listeners,
    /// Its end ends the task.
    wishes: mpsc::UnboundedSender<Wish>,
}

#[derive(Debug)]
enum Wish {
    Hear(String),
    Forget(String),
}

#[derive(Debug)]
struct Subscription {
    channel: String,
    heard: watch::Sender<u64>,
    wishes: mpsc::WeakUnboundedSender<Wish>,
}

impl Hub {
    fn start(builder: &Builder) -> Self {
        let (wishes, asked) = mpsc::unbounded_channel();
        let listeners = Listeners::default();
        match builder.build_subscriber_client() {
            Ok(client) => {
                tokio::spawn(listen(client, asked, listeners.clone()));
            }
            // Whoever waits polls as well.
            Err(error) => tracing::debug!(%error, "no release hints"),
        }
        Self { listeners, wishes }
    }

    fn subscribe(&self, channel: String) -> Hints {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let subscription = listeners
            .get(&channel)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let subscription = Arc::new(Subscription {
                    channel: channel.clone(),
                    heard: watch::Sender::new(0),
                    wishes: self.wishes.downgrade(),
                });
                listeners.insert(channel.clone(), Arc::downgrade(&subscription));
                let _ = self.wishes.send(Wish::Hear(channel));
                subscription
            });
        Hints {
            received: subscription.heard.subscribe(),
            _subscription: subscription,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(wishes) = self.wishes.upgrade() {
            let _ = wishes.send(Wish::Forget(std::mem::take(&mut self.channel)));
        }
    }
}

async fn listen(
    client: SubscriberClient,
    mut asked: mpsc::UnboundedReceiver<Wish>,
    listeners: Listeners,
) {
    let task = client.connect();
    let resubscribing = client.manage_subscriptions();
    let mut messages = client.message_rx();
    loop {
        tokio::select! {
            wish = asked.recv() => match wish {
                None => break,
                Some(Wish::Hear(channel)) => {
                    // A failure is repeated by the next connection: the client keeps the list.
                    let heard = client.subscribe(channel).await;
                    tracing::trace!(?heard, "subscribe");
                }
                Some(Wish::Forget(channel)) => {
                    let wanted = {
                        let mut listeners =
                            listeners.lock().unwrap_or_else(PoisonError::into_inner);
                        let wanted = listeners
                            .get(&channel)
                            .is_some_and(|listener| listener.strong_count() > 0);
                        if !wanted {
                            listeners.remove(&channel);
                        }
                        wanted
                    };
                    if !wanted {
                        let _ = client.unsubscribe(channel).await;
                    }
                }
            },
            message = messages.recv() => match message {
                Ok(message) => {
                    let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                    let listener = listeners.get(&*message.channel).and_then(Weak::upgrade);
                    if let Some(listener) = listener {
                        listener.heard.send_modify(|count| *count += 1);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                    for listener in listeners.values().filter_map(Weak::upgrade) {
                        listener.heard.send_modify(|count| *count += 1);
                    }
                }
                Err(RecvError::Closed) => break,
            },
        }
    }
    resubscribing.abort();
    task.abort();
}
