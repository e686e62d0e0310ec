//! One of the two stores.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::durability::Durability;
use crate::error::Error;
use crate::name::LockName;
use crate::store::hints::Hints;
use crate::store::host::{HostStore, Transition};
use crate::store::listing::Listing;
use crate::store::redis::{RedisStore, Scripted};

/// One of the two stores. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Redis(Arc<RedisStore>),
    Host(Arc<HostStore>),
}

impl Store {
    /// Lists names. What is listed may be gone by now, and a name may come twice.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Vec<LockName>, Error> {
        if Handle::try_current().is_err() {
            return Err(Error::no_runtime());
        }
        match self {
            Self::Redis(store) => store.list(listing).await,
            Self::Host(store) => store.list(listing).await,
        }
    }

    /// Returns who holds the lock of the same name outside of the namespace. On the host there are
    /// no peers that know no namespace.
    pub(crate) async fn holder_outside(&self, name: &LockName) -> Result<Option<String>, Error> {
        match self {
            Self::Redis(store) => store.holder_outside(name).await,
            Self::Host(_) => Ok(None),
        }
    }

    /// Returns whether it keeps every write that it has acknowledged. On the host, what says that
    /// something was begun or done is synced.
    pub(crate) async fn durability(&self) -> Durability {
        if Handle::try_current().is_err() {
            return Durability::Unknown;
        }
        match self {
            Self::Redis(store) => store.durability().await,
            Self::Host(_) => Durability::Kept,
        }
    }

    /// How long one operation may take.
    pub(crate) fn command_timeout(&self) -> Duration {
        match self {
            Self::Redis(store) => store.command_timeout(),
            Self::Host(store) => store.command_timeout(),
        }
    }

    /// Runs one operation within the command timeout.
    pub(crate) async fn run<C>(&self, name: &LockName, command: C) -> Result<C::Answer, Error>
    where
        C: Scripted + Transition,
    {
        self.run_within(self.command_timeout(), name, command).await
    }

    /// Runs one operation, and waits at most `within`.
    pub(crate) async fn run_within<C>(
        &self,
        within: Duration,
        name: &LockName,
        command: C,
    ) -> Result<C::Answer, Error>
    where
        C: Scripted + Transition,
    {
        if Handle::try_current().is_err() {
            return Err(Error::no_runtime());
        }
        match self {
            Self::Redis(store) => store.run(within, name, command).await,
            Self::Host(store) => store.run(within, name, command).await,
        }
    }

    /// Subscribes to the release hints of a name.
    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        match self {
            Self::Redis(store) => store.hints(name),
            Self::Host(store) => store.hints(name),
        }
    }
}
