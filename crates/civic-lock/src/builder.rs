//! What a [`LockService`] is built from. Every setting is checked here, and nowhere later.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::acquire::Acquirer;
use crate::error::Error;
use crate::lease::acquire::Keeper;
use crate::outcome::OnUnavailable;
use crate::service::LockService;
use crate::store::host::HostStore;
use crate::store::redis::RedisStore;
use crate::store::settings::Settings;
use crate::store::store::Store;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Builds a [`LockService`].
#[derive(Clone)]
#[must_use]
pub struct LockServiceBuilder {
    place: Place,
    settings: Settings,
    max_hold: Duration,
    require_redis: bool,
    on_unavailable: OnUnavailable,
}

#[derive(Clone)]
enum Place {
    Environment,
    Redis(String),
    Host(Option<PathBuf>),
}

// ===== impl LockService =====

/// Here and not beside the type: a service does not know what it was built from.
impl LockService {
    /// From the environment: Redis at `REDIS_URL`; without it, files of this machine and one
    /// warning.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Redis or Valkey at `url`.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn redis(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder().redis_url(url).build()
    }

    /// Files of this machine, in the default folder: `$CIVIC_LOCK_DIR`, else
    /// `/var/tmp/civic-lock-<uid>`. Without a warning: it was asked for.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn host() -> Result<Self, Error> {
        Self::builder().host().build()
    }

    /// With other settings.
    pub fn builder() -> LockServiceBuilder {
        LockServiceBuilder::new()
    }
}

// ===== impl LockServiceBuilder =====

impl LockServiceBuilder {
    fn new() -> Self {
        Self {
            place: Place::Environment,
            settings: Settings {
                command_timeout: COMMAND_TIMEOUT,
                replica_acks: 0,
            },
            max_hold: MAX_HOLD,
            require_redis: false,
            on_unavailable: OnUnavailable::default(),
        }
    }

    /// Locks in Redis or Valkey.
    ///
    /// `redis://`, `redis-cluster://`, `redis-sentinel://…?sentinelServiceName=…`, further nodes as
    /// `?node=host:port`; `valkey` works wherever `redis` does. `rediss` and `valkeys` (TLS) need
    /// the feature `tls`, and are refused without it, before anything is sent.
    ///
    /// Defaults to the environment variable `REDIS_URL`, and where that is not set to the host.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.place = Place::Redis(url.into());
        self
    }

    /// Locks in files of this machine, among the processes of this user.
    pub fn host(mut self) -> Self {
        self.place = Place::Host(None);
        self
    }

    /// Locks in files of this folder. It is created if need be; it must belong to this user, be
    /// closed to everybody else, and be on a local file system.
    pub fn host_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.place = Place::Host(Some(folder.into()));
        self
    }

    /// Refuses to be built without Redis, so that a production service cannot end up with locks of
    /// its own machine because a variable is missing.
    pub fn require_redis(mut self) -> Self {
        self.require_redis = true;
        self
    }

    /// How long one question to the store may take, connecting included.
    ///
    /// Defaults to 1 s. Between 10 ms and 60 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.settings.command_timeout = timeout;
        self
    }

    /// How long a lease is renewed at most: the bound for work that hangs.
    ///
    /// Defaults to 24 hours.
    pub fn max_hold(mut self, most: Duration) -> Self {
        self.max_hold = most;
        self
    }

    /// How many replicas must have acknowledged a lock before it counts as taken. Each acquire then
    /// waits for them (`WAIT`), one at a time, on a connection of its own.
    ///
    /// It makes it less likely, not impossible, that a failover forgets a lock: only a fence helps
    /// against that. Ignored on the host.
    ///
    /// Defaults to 0.
    pub fn replica_acks(mut self, replicas: u32) -> Self {
        self.settings.replica_acks = replicas;
        self
    }

    /// What becomes of work when the store cannot be asked.
    ///
    /// Defaults to [`OnUnavailable::FailClosed`].
    pub fn on_unavailable(mut self, policy: OnUnavailable) -> Self {
        self.on_unavailable = policy;
        self
    }

    /// Builds the service. It connects when the first lock is taken.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when a setting is out of its bounds, the URL cannot be understood or
    /// asks for TLS without the feature `tls`, the folder cannot be created or is not private, or
    /// Redis is required and there is no URL.
    pub fn build(self) -> Result<LockService, Error> {
        let timeout = self.settings.command_timeout;
        if timeout < Duration::from_millis(10) || timeout > Duration::from_secs(60) {
            return Err(Error::config(format!(
                "a command timeout of {timeout:?} is outside of 10 ms to 60 s"
            )));
        }
        let url = match &self.place {
            Place::Redis(url) => Some(url.clone()),
            Place::Host(_) => None,
            Place::Environment => std::env::var("REDIS_URL")
                .ok()
                .filter(|url| !url.is_empty()),
        };
        let store = match (url, self.place) {
            (Some(url), _) => Store::Redis(Arc::new(RedisStore::new(&url, self.settings)?)),
            (None, _) if self.require_redis => {
                return Err(Error::config("Redis is required, and REDIS_URL is not set"));
            }
            (None, Place::Host(folder)) => {
                Store::Host(Arc::new(HostStore::open(folder, self.settings)?))
            }
            (None, Place::Environment | Place::Redis(_)) => {
                let store = HostStore::open(None, self.settings)?;
                tracing::warn!(
                    folder = %store.folder().display(),
                    "REDIS_URL is not set: locks exclude the processes of this machine only"
                );
                Store::Host(Arc::new(store))
            }
        };
        let keeper = Keeper::new(store, self.max_hold);
        Ok(LockService::new(Acquirer::new(keeper, self.on_unavailable)))
    }
}

/// The URL may hold a password.
impl fmt::Debug for LockServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Environment => "environment".to_owned(),
            Place::Redis(_) => "redis [redacted]".to_owned(),
            Place::Host(folder) => format!("host {folder:?}"),
        };
        f.debug_struct("LockServiceBuilder")
            .field("place", &place)
            .field("settings", &self.settings)
            .field("max_hold", &self.max_hold)
            .field("require_redis", &self.require_redis)
            .field("on_unavailable", &self.on_unavailable)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let builder = LockService::builder();
        assert!(matches!(builder.place, Place::Environment));
        assert_eq!(builder.settings.command_timeout, Duration::from_secs(1));
        assert_eq!(builder.settings.replica_acks, 0);
        assert_eq!(builder.max_hold, Duration::from_secs(24 * 60 * 60));
        assert_eq!(builder.on_unavailable, OnUnavailable::FailClosed);
        assert!(!builder.require_redis);
    }
}
