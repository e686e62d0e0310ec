//! Lists executions under `once`, and ends one whose holder is gone.

use crate::admin::once_status::{OnceStatus, state_of};
use crate::admin::operator::Admin;
use crate::admin::resolve_outcome::{ResolveOnce, ResolveOutcome};
use crate::error::Error;
use crate::lock_event::LockEvent;
use crate::once::event::OnceEvent;
use crate::once::key::OnceKey;
use crate::once::record::OnceRecord;
use crate::store::listing::Listing;
use crate::store::once::{Detail, OncePeek, OnceResolve, Phase, Resolution, Resolved};

/// What an operator sees of executions, and does with them.
impl Admin {
    /// Returns the keys of the executions that the store remembers, sorted.
    ///
    /// All names in the store are read, in a Cluster those of every primary: ask once, and then for
    /// the [records](Self::once_records) of some keys at a time.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn once_keys(&self) -> Result<Vec<OnceKey>, Error> {
        let names = self.store().list(Listing::Executions).await?;
        let mut keys: Vec<OnceKey> = names.iter().filter_map(OnceKey::of_lock).collect();
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    /// Returns those of these executions that the store still remembers, sorted by key. Only their
    /// own records are read, and without the results.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn once_records(&self, keys: &[OnceKey]) -> Result<Vec<OnceStatus>, Error> {
        let peek = OncePeek {
            detail: Detail::State,
        };
        let names = keys.iter().map(|key| key.lock_name().clone()).collect();
        let mut records = Vec::with_capacity(keys.len());
        for (name, peeked) in self.ask_all(names, peek).await? {
            let key = OnceKey::of_lock(&name);
            records.extend(key.and_then(|key| OnceStatus::new(key, peeked)));
        }
        Ok(records)
    }

    /// Returns one execution; `None` if the store does not remember any under the key.
    ///
    /// # Errors
    ///
    /// Returns an error if the key is not one, or the store does not answer.
    pub async fn once<N>(&self, key: N) -> Result<Option<OnceStatus>, Error>
    where
        N: TryInto<OnceKey, Error: Into<Error>>,
    {
        let key = key.try_into().map_err(Into::into)?;
        let peek = OncePeek {
            detail: Detail::State,
        };
        let peeked = self.store().run(key.lock_name(), peek).await?;
        Ok(OnceStatus::new(key, peeked))
    }

    /// Returns what an execution has recorded; `None` if it has no end. The result may be about
    /// people.
    ///
    /// # Errors
    ///
    /// See [`once`](Self::once).
    pub async fn once_result<N>(&self, key: N) -> Result<Option<OnceRecord>, Error>
    where
        N: TryInto<OnceKey, Error: Into<Error>>,
    {
        let key = key.try_into().map_err(Into::into)?;
        let peek = OncePeek {
            detail: Detail::Result,
        };
        let execution = self.store().run(key.lock_name(), peek).await?.execution;
        let done = execution.filter(|execution| execution.phase == Phase::Done);
        Ok(done.map(OnceRecord::from))
    }

    /// Ends an execution that is in doubt or abandoned, if it is the attempt that was seen: the
    /// same holder, the same number, no end yet, and a holder that is gone.
    ///
    /// # Errors
    ///
    /// Returns an error if the key is not one, or the store does not answer.
    pub async fn resolve_once<N>(
        &self,
        key: N,
        holder: impl Into<String>,
        attempt: u32,
        to: ResolveOnce,
    ) -> Result<ResolveOutcome, Error>
    where
        N: TryInto<OnceKey, Error: Into<Error>>,
    {
        let key = key.try_into().map_err(Into::into)?;
        let command = OnceResolve {
            holder: holder.into(),
            attempt,
            to: match to {
                ResolveOnce::Done => Resolution::Done,
                ResolveOnce::Free => Resolution::Free,
            },
        };
        Ok(match self.store().run(key.lock_name(), command).await? {
            Resolved::Ended => {
                self.observer().emit(|| LockEvent::Once {
                    key,
                    event: OnceEvent::Resolved,
                    attempt,
                });
                ResolveOutcome::Resolved
            }
            Resolved::Running { ttl } => ResolveOutcome::Running { ttl },
            Resolved::Changed(execution) => ResolveOutcome::Changed {
                state: state_of(&execution, false),
                holder: execution.holder,
                attempt: execution.attempt,
            },
            Resolved::Unknown => ResolveOutcome::Unknown,
        })
    }
}
