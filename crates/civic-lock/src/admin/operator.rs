//! Lists locks and jobs, and acts on one of them. What concerns executions is in
//! [`executions`](super::executions).

use tokio::task::JoinSet;

use crate::admin::break_outcome::BreakOutcome;
use crate::admin::job_run::JobRun;
use crate::admin::job_status::{JobStatus, RunRequest};
use crate::admin::lock_status::LockStatus;
use crate::error::{Error, ErrorKind};
use crate::lock_event::LockObserver;
use crate::name::LockName;
use crate::scheduler::Tick;
use crate::service::LockService;
use crate::store::answer::Peeked;
use crate::store::command::Peek;
use crate::store::host::Transition;
use crate::store::listing::Listing;
use crate::store::operator::{
    Break, Broken, History, Pause, Paused, Requested, Reset, Resume, Resumed, RunNow,
    WatermarkReset,
};
use crate::store::redis::Scripted;
use crate::store::store::Store;

/// How many names one task looks at, one after the other.
const NAMES_PER_TASK: usize = 128;

/// Lists locks, jobs and executions, and acts on one of them. Made by [`LockService::admin`].
///
/// It sees the namespace of its service only. On the host it sees the locks of its folder. What it
/// returns was true a moment ago.
#[derive(Clone, Debug)]
pub struct Admin {
    store: Store,
    observer: LockObserver,
}

impl LockService {
    /// Returns what an operator needs: lists of locks, jobs and executions, and ways to act on
    /// them.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let leases = self.acquirer().leases();
        Admin {
            store: leases.store().clone(),
            observer: leases.observer().clone(),
        }
    }
}

impl Admin {
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn observer(&self) -> &LockObserver {
        &self.observer
    }

    /// Returns the locks that are held, by this crate's services or by others, sorted by name.
    ///
    /// A key that holds no lock is left out. In a Cluster every primary is asked.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn locks(&self) -> Result<Vec<LockStatus>, Error> {
        let statuses = self.peek_all(Listing::Locks).await?;
        let all = statuses
            .into_iter()
            .map(|(name, peeked)| LockStatus::new(name, &peeked));
        Ok(all.filter(|lock| lock.holder.is_some()).collect())
    }

    /// Returns one lock, held or free.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not one, the key holds no lock, or the store does not
    /// answer.
    pub async fn lock<N>(&self, name: N) -> Result<LockStatus, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let peeked = self.store.run(&name, Peek).await?;
        Ok(LockStatus::new(name, &peeked))
    }

    /// Frees a lock if `holder` is the one that holds it, and touches no other holder.
    ///
    /// The work of that holder goes on until it is told, within a third of its ttl. A resource that
    /// checks fencing tokens refuses it from the next acquisition on. A tick that it has claimed is
    /// taken over.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not one, or the store does not answer.
    pub async fn break_lock<N>(
        &self,
        name: N,
        holder: impl Into<String>,
    ) -> Result<BreakOutcome, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let holder = holder.into();
        Ok(match self.store.run(&name, Break { holder }).await? {
            Broken::Broken { fence } => BreakOutcome::Broken { fence },
            Broken::Changed {
                holder: Some(holder),
            } => BreakOutcome::OtherHolder { holder },
            Broken::Changed { holder: None } => BreakOutcome::Free,
        })
    }

    /// Returns the scheduled jobs that the store knows, sorted by name.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn jobs(&self) -> Result<Vec<JobStatus>, Error> {
        let statuses = self.peek_all(Listing::Jobs).await?;
        let all = statuses.into_iter();
        Ok(all
            .filter_map(|(name, peeked)| JobStatus::new(name, &peeked))
            .collect())
    }

    /// Returns one scheduled job.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::UnknownJob`] if no replica has registered the job, and another error if
    /// the name is not one or the store does not answer.
    pub async fn job<N>(&self, name: N) -> Result<JobStatus, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let peeked = self.store.run(&name, Peek).await?;
        JobStatus::new(name.clone(), &peeked).ok_or_else(|| unknown(&name))
    }

    /// Returns up to `limit` of the last runs of a job, the latest first. At most 100 are
    /// remembered.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not one, or the store does not answer.
    pub async fn history<N>(&self, name: N, limit: usize) -> Result<Vec<JobRun>, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let runs = self.store.run(&name, History { limit }).await?;
        Ok(runs.into_iter().take(limit).map(JobRun::from).collect())
    }

    /// Pauses a job: no tick is claimed until it is [resumed](Self::resume). A run that has begun
    /// goes on. Returns since when it is paused.
    ///
    /// # Errors
    ///
    /// See [`job`](Self::job).
    pub async fn pause<N>(&self, name: N) -> Result<Tick, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        match self.store.run(&name, Pause).await? {
            Paused::Since(since) => Ok(Tick::from_millis(since)),
            Paused::Unregistered => Err(unknown(&name)),
        }
    }

    /// Resumes a paused job. Returns since when it was paused; `None` if it was not.
    ///
    /// # Errors
    ///
    /// See [`job`](Self::job).
    pub async fn resume<N>(&self, name: N) -> Result<Option<Tick>, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        match self.store.run(&name, Resume).await? {
            Resumed::Since(since) => Ok(Some(Tick::from_millis(since))),
            Resumed::NotPaused => Ok(None),
            Resumed::Unregistered => Err(unknown(&name)),
        }
    }

    /// Asks for one run of a job beside its schedule, for an instant that defaults to now. One
    /// replica runs it, even while the job is paused. The watermark stays where it is.
    ///
    /// # Errors
    ///
    /// See [`job`](Self::job).
    pub async fn run_now<N>(&self, name: N, tick: Option<Tick>) -> Result<RunRequest, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let tick = tick.map(Tick::as_millis);
        match self.store.run(&name, RunNow { tick }).await? {
            Requested::Due(tick) => Ok(RunRequest::Due(Tick::from_millis(tick))),
            Requested::AlreadyDue(tick) => Ok(RunRequest::AlreadyDue(Tick::from_millis(tick))),
            Requested::Unregistered => Err(unknown(&name)),
        }
    }

    /// Sets the watermark of a job: every tick after `done` is due again, and none up to it.
    /// Returns the watermark before.
    ///
    /// Replicas obey it even if they know a later one. Use it for a watermark that a wrong clock
    /// has moved ahead.
    ///
    /// # Errors
    ///
    /// See [`job`](Self::job).
    pub async fn reset<N>(&self, name: N, done: Tick) -> Result<Tick, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let done = done.as_millis();
        match self.store.run(&name, Reset { done }).await? {
            WatermarkReset::Reset { before, .. } => Ok(Tick::from_millis(before)),
            WatermarkReset::Unregistered => Err(unknown(&name)),
        }
    }

    /// Looks at every name of a list.
    async fn peek_all(&self, listing: Listing) -> Result<Vec<(LockName, Peeked)>, Error> {
        self.ask_all(self.store.list(listing).await?, Peek).await
    }

    /// Asks the same about each name, about many of them at the same time. A name whose keys hold
    /// something else is left out. The answers are sorted by name.
    pub(super) async fn ask_all<C>(
        &self,
        mut names: Vec<LockName>,
        command: C,
    ) -> Result<Vec<(LockName, C::Answer)>, Error>
    where
        C: Clone + Scripted + Transition,
    {
        names.sort();
        names.dedup();
        let mut tasks = JoinSet::new();
        for chunk in names.chunks(NAMES_PER_TASK) {
            let (store, chunk, command) = (self.store.clone(), chunk.to_vec(), command.clone());
            tasks.spawn(async move {
                let mut answers = Vec::with_capacity(chunk.len());
                for name in chunk {
                    match store.run(&name, command.clone()).await {
                        Ok(answer) => answers.push((name, answer)),
                        Err(error) if error.kind() == ErrorKind::WrongType => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(answers)
            });
        }
        let mut all = Vec::with_capacity(names.len());
        while let Some(answers) = tasks.join_next().await {
            all.extend(answers.unwrap_or_else(|_| Err(Error::runtime_shutdown()))?);
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }
}

fn unknown(name: &LockName) -> Error {
    Error::new(
        ErrorKind::UnknownJob,
        format!("no replica has registered {name:?} in this store and namespace"),
    )
}
