//! Runs commands as scripts.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::durability::Durability;
use crate::error::{Error, ErrorKind};
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::hints::Hints;
use crate::store::holder::Holder;
use crate::store::listing::Listing;
use crate::store::redis::client::Library;
use crate::store::redis::client::client::Client;
use crate::store::redis::connection::Connector;
use crate::store::redis::invocation::Invocation;
use crate::store::redis::operations::{Replication, Scripted};
use crate::store::redis::reply::Reply;
use crate::store::redis::subscriber::Subscriber;
use crate::store::redis::url::ServerUrl;
use crate::store::settings::Settings;

/// Locks in Redis or Valkey.
pub(crate) struct RedisStore {
    settings: Settings,
    connector: Connector<Library>,
    /// A connection for acquire and `WAIT`, one pair at a time: on any other connection, `WAIT`
    /// answers for writes that are not ours.
    acknowledged: tokio::sync::Mutex<Connector<Library>>,
    /// Tells the replies to two commands of one holder apart.
    serial: AtomicU64,
    subscriber: Mutex<Option<Subscriber>>,
    /// Once the server has been asked.
    durability: OnceLock<Durability>,
}

impl RedisStore {
    pub(crate) fn new(url: &str, settings: Settings) -> Result<Self, Error> {
        let timeout = settings.command_timeout;
        let library = Library::new(&ServerUrl::new(url)?, timeout)?;
        let connector = || Connector::new(library.clone(), timeout);
        Ok(Self {
            settings,
            connector: connector(),
            acknowledged: tokio::sync::Mutex::new(connector()),
            serial: AtomicU64::new(1),
            subscriber: Mutex::new(None),
            durability: OnceLock::new(),
        })
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }

    /// Returns whether the server keeps what it has acknowledged. It is asked once, and again only
    /// while it does not answer.
    pub(crate) async fn durability(&self) -> Durability {
        if self.settings.replica_acks > 0 {
            return Durability::Kept;
        }
        if let Some(known) = self.durability.get() {
            return *known;
        }
        match self
            .connector
            .durability(self.settings.command_timeout)
            .await
        {
            Ok(durability) => *self.durability.get_or_init(|| durability),
            Err(_) => Durability::Unknown,
        }
    }

    pub(crate) async fn run<C: Scripted>(
        &self,
        within: Duration,
        name: &LockName,
        command: C,
    ) -> Result<C::Answer, Error> {
        C::read(&self.reply(within, name, command).await?)
    }

    /// Like [`run`](Self::run), and what the server's clock showed, in microseconds.
    #[cfg(test)]
    pub(crate) async fn run_timed<C: Scripted>(
        &self,
        within: Duration,
        name: &LockName,
        command: C,
    ) -> Result<(C::Answer, u64), Error> {
        let reply = self.reply(within, name, command).await?;
        Ok((C::read(&reply)?, reply.server_us()?))
    }

    async fn reply<C: Scripted>(
        &self,
        within: Duration,
        name: &LockName,
        command: C,
    ) -> Result<Reply, Error> {
        let name = &self.settings.namespace.stored(name);
        let invocation = Invocation {
            script: C::SCRIPT,
            name,
            echo: command.echo().map_or("#", Holder::as_str),
            serial: self.serial.fetch_add(1, Ordering::Relaxed).to_string(),
            command: &command,
        };
        let deadline = Instant::now() + within;
        match C::REPLICATION {
            Replication::Acknowledged if self.settings.replica_acks > 0 => {
                self.run_acknowledged(&invocation, deadline).await
            }
            Replication::Acknowledged | Replication::Asynchronous => {
                self.connector.run(&invocation, deadline).await
            }
        }
    }

    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        let mut subscriber = self.subscriber.lock();
        let subscriber = match &mut *subscriber {
            Some(running) if !running.is_finished() => running,
            none => none.insert(Subscriber::start(self.connector.client())),
        };
        subscriber.subscribe(self.settings.namespace.stored(name).hint_channel())
    }

    /// Returns who holds the lock of the same name outside of the namespace: a peer that knows
    /// none. `None` if there is no namespace, or no such holder.
    pub(crate) async fn holder_outside(&self, name: &LockName) -> Result<Option<String>, Error> {
        if self.settings.namespace.as_str().is_none() {
            return Ok(None);
        }
        let connection = self.connector.connection()?;
        let deadline = Instant::now() + self.settings.command_timeout;
        let key = vec![name.key()];
        let value = self.connector.send(&connection, name, "GET", key, deadline);
        Ok(value.await?.into_text())
    }

    /// Lists names by their keys. Every primary of a Cluster is asked.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Vec<LockName>, Error> {
        let namespace = &self.settings.namespace;
        let inner = match namespace.as_str() {
            Some(namespace) => format!("{}:*", escaped(namespace)),
            None => "*".to_owned(),
        };
        let (pattern, before, after) = match listing {
            Listing::Locks => (format!("lock:{inner}"), "lock:", ""),
            Listing::Jobs => (format!("{{lock:{inner}}}:tick"), "{lock:", "}:tick"),
            Listing::Executions => (format!("{{lock:{inner}}}:once"), "{lock:", "}:once"),
        };
        let timeout = self.settings.command_timeout;
        let keys = self.connector.scan(&pattern, timeout).await?;
        let name_of = |key: &String| {
            let stored = key.strip_prefix(before)?.strip_suffix(after)?;
            namespace.given(stored)
        };
        Ok(keys.iter().filter_map(name_of).collect())
    }

    /// Runs a script, and waits for the replicas if it was granted the key or has recorded a
    /// result.
    async fn run_acknowledged(
        &self,
        invocation: &Invocation<'_>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let name = invocation.name;
        let Ok(connector) = timeout_at(deadline, self.acknowledged.lock()).await else {
            return Err(Error::timeout(self.settings.command_timeout).never_sent());
        };
        let connection = connector.connection()?;
        let id = || vec!["ID".to_owned()];
        // Before and after: the two differ if the connection was replaced in between, and then WAIT
        // has answered for a connection that has written nothing.
        let before = connector
            .send(&connection, name, "CLIENT", id(), deadline)
            .await
            .map_err(Error::never_sent)?;
        let reply = connector.run(invocation, deadline).await?;
        if ![Reply::GRANTED, Reply::RECORDED].contains(&reply.outcome()) {
            return Ok(reply);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = vec![
            self.settings.replica_acks.to_string(),
            // WAIT has to give up before its caller does; 0 would wait for ever.
            (left.mul_f32(0.75).as_millis() as u64).max(1).to_string(),
        ];
        let acknowledged = connector
            .send(&connection, name, "WAIT", wait, deadline)
            .await
            .map_err(not_acknowledged)?;
        let after = connector
            .send(&connection, name, "CLIENT", id(), deadline)
            .await
            .map_err(not_acknowledged)?;
        let acknowledged = acknowledged.number().unwrap_or_default();
        if before != after || acknowledged < u64::from(self.settings.replica_acks) {
            return Err(Error::new(
                ErrorKind::NotReplicated,
                format!("{acknowledged} of {} replicas", self.settings.replica_acks),
            ));
        }
        Ok(reply)
    }
}

/// A text that a pattern of keys matches as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The key is taken by now, so "refused, nothing was done" would not be true.
fn not_acknowledged(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Refused => Error::new(ErrorKind::NotReplicated, error.detail()),
        _ => error,
    }
}

/// The configuration may hold a password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
