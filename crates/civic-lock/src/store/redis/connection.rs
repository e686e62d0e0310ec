//! One connection, replaced when it has become useless, and the server's clock as seen through it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::{Options, Server};
use fred::types::{Builder, ConnectHandle, CustomCommand, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self};
use tokio::time::{Instant, timeout_at};

use crate::boot_clock;
use crate::error::{Error, ErrorKind};
use crate::name::LockName;
use crate::store::redis::error::{from_client, is_moving, is_unknown_script};
use crate::store::redis::reply::Reply;
use crate::store::redis::script::Script;

/// Two clocks drift apart by up to some 30 ms in this time.
const CALIBRATION_AGE: Duration = Duration::from_secs(5 * 60);
/// A reading of the server's clock is not corrected by one that took longer than this.
const PROMPT: Duration = Duration::from_millis(50);

/// One connection, replaced when it has become useless.
pub(super) struct Link {
    pub(super) builder: Builder,
    command_timeout: Duration,
    live: Mutex<Option<Arc<Live>>>,
}

pub(super) struct Live {
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
    pub(super) fn new(builder: Builder, command_timeout: Duration) -> Self {
        Self {
            builder,
            command_timeout,
            live: Mutex::new(None),
        }
    }

    /// The connection; a new one if there is none, or if its task has ended.
    pub(super) fn live(&self) -> Result<Arc<Live>, Error> {
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
            last_reply: AtomicU64::new(nanos(boot_clock::now())),
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
    pub(super) async fn run(
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

        let sent = boot_clock::now();
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
        let sent = boot_clock::now();
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
    pub(super) async fn ask(
        &self,
        live: &Arc<Live>,
        name: &LockName,
        command: &'static str,
        words: Vec<String>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let began = boot_clock::now();
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
                    .store(nanos(boot_clock::now()), Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) => from_client(&error),
            Err(_) => Error::timeout(self.command_timeout),
        };
        if error.kind() == ErrorKind::Timeout {
            let silent_since = live.last_reply.load(Ordering::Relaxed).max(nanos(began));
            let silence = nanos(boot_clock::now()).saturating_sub(silent_since);
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
        let age = boot_clock::now().saturating_sub(reading.at);
        (age < CALIBRATION_AGE).then(|| reading.server_us + age.as_micros() as u64)
    }

    fn read_clock(&self, server_us: u64, sent: Duration) {
        let at = boot_clock::now();
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
