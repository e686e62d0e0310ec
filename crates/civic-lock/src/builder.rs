//! How a [`LockService`] is built. Every setting is checked here, and nowhere later.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::acquire::Acquirer;
use crate::environment::{Environment, Place};
use crate::error::Error;
use crate::lease::acquire::Leases;
use crate::lock_event::{LockEvent, LockObserver};
use crate::namespace::Namespace;
use crate::outcome::OnUnavailable;
use crate::service::LockService;
use crate::store::host::HostStore;
use crate::store::redis::RedisStore;
use crate::store::settings::Settings;
use crate::store::store::Store;

const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Builds a [`LockService`].
#[derive(Clone)]
#[must_use]
pub struct LockServiceBuilder {
    location: Location,
    settings: Settings,
    max_hold: Duration,
    requirement: Requirement,
    on_unavailable: OnUnavailable,
    namespace: Option<String>,
    observer: LockObserver,
}

#[derive(Clone)]
enum Location {
    Environment,
    Redis(String),
    Host(Option<PathBuf>),
}

/// What the store has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Requirement {
    Any,
    Redis,
}

// ===== impl LockService =====

/// Builds services: from the environment, from a URL, or with other settings.
impl LockService {
    /// Builds a service from the environment: Redis at `REDIS_URL`.
    ///
    /// `CIVIC_LOCK_STORE` is `redis` or `host`, and decides. Without it and without `REDIS_URL`,
    /// locks are files of this machine, with one warning; but in production (`NODE_ENV` is
    /// `production`, or `KUBERNETES_SERVICE_HOST` is set) that is refused. A variable that is set
    /// and empty is refused too. `CIVIC_LOCK_NAMESPACE` stands before each name.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Builds a service on Redis or Valkey at `url`.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn redis(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder().redis_url(url).build()
    }

    /// Builds a service on files of this machine, in the default folder: `$CIVIC_LOCK_DIR`, else
    /// `/var/tmp/civic-lock-<uid>`. It logs no warning, because it was asked for.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn host() -> Result<Self, Error> {
        Self::builder().host().build()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> LockServiceBuilder {
        LockServiceBuilder::new()
    }
}

// ===== impl LockServiceBuilder =====

impl LockServiceBuilder {
    fn new() -> Self {
        Self {
            location: Location::Environment,
            settings: Settings {
                command_timeout: DEFAULT_COMMAND_TIMEOUT,
                replica_acks: 0,
                namespace: Namespace::default(),
            },
            max_hold: DEFAULT_MAX_HOLD,
            requirement: Requirement::Any,
            on_unavailable: OnUnavailable::default(),
            namespace: None,
            observer: LockObserver::default(),
        }
    }

    /// Locks in Redis or Valkey.
    ///
    /// The URL is `redis://`, `redis-cluster://` or `redis-sentinel://…?sentinelServiceName=…`,
    /// with further nodes as `?node=host:port`. `valkey` works wherever `redis` does. `rediss` and
    /// `valkeys` (TLS) need the feature `tls`, and are refused without it before anything is sent.
    ///
    /// Defaults to the environment: see [`LockService::from_env`].
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.location = Location::Redis(url.into());
        self
    }

    /// Locks in files of this machine, among the processes of this user.
    pub fn host(mut self) -> Self {
        self.location = Location::Host(None);
        self
    }

    /// Locks in files of this folder.
    ///
    /// The folder is created if it does not exist. It must belong to this user, be closed to all
    /// other users, and be on a local file system.
    pub fn host_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.location = Location::Host(Some(folder.into()));
        self
    }

    /// Refuses to build a service without Redis, so that a production service cannot end up with
    /// locks of this machine only because a variable is missing.
    pub fn require_redis(mut self) -> Self {
        self.requirement = Requirement::Redis;
        self
    }

    /// Sets how long one command to the store may take, connecting included: 10 ms to 60 s.
    ///
    /// Defaults to 1 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.settings.command_timeout = timeout;
        self
    }

    /// Sets for how long a lease is renewed at most: the bound for work that hangs.
    ///
    /// Defaults to 24 hours.
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.max_hold = most;
        self
    }

    /// Sets how many replicas must have acknowledged a lock before it counts as acquired. Each
    /// acquire then waits for them (`WAIT`), one at a time, on a separate connection.
    ///
    /// A result that is recorded under [`once`](LockService::once) waits for them as well, even if
    /// it was recorded before and its confirmation was lost. What another caller finds recorded
    /// does not: it may be a result that is not confirmed yet, which a failover can still forget.
    ///
    /// This makes it less likely, not impossible, that a failover forgets a lock: only a fence
    /// helps against that. Ignored on the host.
    ///
    /// Defaults to 0.
    pub fn replica_acks(mut self, replicas: u32) -> Self {
        self.settings.replica_acks = replicas;
        self
    }

    /// Sets what stands before each name, so that two deployments can share one store: the key of
    /// a lock is `lock:<namespace>:<name>`. Node peers have to use the same key. A namespace has at
    /// most 128 bytes, and no `:`, `{` or `}`.
    ///
    /// Defaults to the environment variable `CIVIC_LOCK_NAMESPACE`, and to none.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Calls `observer` with each event of the locks of this service, for metrics. It is called on
    /// the task that the event happens on, so it must not block.
    ///
    /// Defaults to none.
    pub fn on_event(mut self, observer: impl Fn(&LockEvent) + Send + Sync + 'static) -> Self {
        self.observer = LockObserver::new(observer);
        self
    }

    /// Sets what becomes of work when the store cannot be asked.
    ///
    /// Defaults to [`OnUnavailable::FailClosed`].
    pub fn on_unavailable(mut self, policy: OnUnavailable) -> Self {
        self.on_unavailable = policy;
        self
    }

    /// Builds the service. It connects when the first lock is acquired.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if a setting is out of its bounds,
    /// the URL cannot be understood or asks for TLS without the feature `tls`, the folder cannot be
    /// created or is not private, Redis is required or chosen and there is no URL, a variable is
    /// set and empty, or nothing says in production where the locks live.
    pub fn build(self) -> Result<LockService, Error> {
        let timeout = self.settings.command_timeout;
        if timeout < Duration::from_millis(10) || timeout > Duration::from_secs(60) {
            return Err(Error::config(format!(
                "the command timeout is {timeout:?}; it must be 10 ms to 60 s"
            )));
        }
        let read = |variable: &str| std::env::var_os(variable);
        let environment = Environment::new(&read);
        let mut settings = self.settings;
        if let Some(namespace) = match self.namespace {
            None => environment.namespace()?,
            given => given,
        } {
            settings.namespace = Namespace::new(&namespace)?;
        }
        let from_environment = matches!(self.location, Location::Environment);
        let (place, folder) = match self.location {
            Location::Redis(url) => (Place::Redis(url), None),
            Location::Host(folder) => (Place::Host, folder),
            Location::Environment => (environment.place()?, None),
        };
        let store = match place {
            Place::Redis(url) => {
                let store = RedisStore::new(&url, settings).map_err(|error| {
                    if from_environment {
                        error.in_variable("REDIS_URL")
                    } else {
                        error
                    }
                })?;
                Store::Redis(Arc::new(store))
            }
            Place::Host | Place::HostByDefault if self.requirement == Requirement::Redis => {
                return Err(Error::config(
                    "Redis is required, and REDIS_URL is not set or CIVIC_LOCK_STORE is host. Set \
                     REDIS_URL, for example: export REDIS_URL=redis://localhost:6379",
                ));
            }
            Place::Host => {
                let store = HostStore::open(folder, settings)?;
                if environment.is_production() {
                    tracing::warn!(
                        folder = %store.folder().display(),
                        "locks are files of this machine: they exclude its own processes, and no \
                         other replica"
                    );
                }
                Store::Host(Arc::new(store))
            }
            Place::HostByDefault => {
                let store = HostStore::open(None, settings)?;
                tracing::warn!(
                    folder = %store.folder().display(),
                    "REDIS_URL is not set: locks exclude the processes of this machine only. Set \
                     CIVIC_LOCK_STORE=host if that is what you want"
                );
                Store::Host(Arc::new(store))
            }
        };
        let leases = Leases::new(store, self.max_hold, self.observer);
        Ok(LockService::new(Acquirer::new(leases, self.on_unavailable)))
    }
}

/// The URL may hold a password.
impl fmt::Debug for LockServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = match &self.location {
            Location::Environment => "environment".to_owned(),
            Location::Redis(_) => "redis [redacted]".to_owned(),
            Location::Host(folder) => format!("host {folder:?}"),
        };
        f.debug_struct("LockServiceBuilder")
            .field("location", &location)
            .field("settings", &self.settings)
            .field("max_hold", &self.max_hold)
            .field("requirement", &self.requirement)
            .field("on_unavailable", &self.on_unavailable)
            .field("namespace", &self.namespace)
            .field("observer", &self.observer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let builder = LockService::builder();
        assert!(matches!(builder.location, Location::Environment));
        assert_eq!(builder.settings.command_timeout, Duration::from_secs(1));
        assert_eq!(builder.settings.replica_acks, 0);
        assert_eq!(builder.max_hold, Duration::from_secs(24 * 60 * 60));
        assert_eq!(builder.on_unavailable, OnUnavailable::FailClosed);
        assert_eq!(builder.requirement, Requirement::Any);
        assert_eq!(builder.settings.namespace, Namespace::default());
    }
}
