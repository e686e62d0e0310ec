//! One lock to be acquired, with its own settings.

use std::panic::resume_unwind;
use std::time::Duration;

use crate::acquire::Acquirer;
use crate::boot_clock;
use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::outcome::{Acquisition, OnLoss, Outcome};
use crate::timing::Ttl;
use crate::work::{Work, run_under};

/// A request for one lock, with its own settings. Made by
/// [`LockService::request`](crate::LockService::request).
#[derive(Debug)]
#[must_use = "nothing happens before `run` or `acquire`"]
pub struct LockRequest {
    acquirer: Acquirer,
    target: Result<(LockName, Ttl), Error>,
    minimum_hold: Duration,
    on_loss: OnLoss,
    wait: Option<Duration>,
}

impl LockRequest {
    pub(crate) fn new<N>(acquirer: Acquirer, name: N, ttl: Duration) -> Self
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let target = name
            .try_into()
            .map_err(Into::into)
            .and_then(|name| Ok((name, Ttl::new(ttl)?)));
        Self {
            acquirer,
            target,
            minimum_hold: Duration::ZERO,
            on_loss: OnLoss::default(),
            wait: None,
        }
    }

    /// Keeps the key for at least this long, counted from when the lock was acquired, so that other
    /// replicas whose clocks differ do not run the same thing again. Applies to [`run`](Self::run).
    ///
    /// Defaults to zero.
    pub fn minimum_hold(mut self, hold: Duration) -> Self {
        self.minimum_hold = hold;
        self
    }

    /// Sets what becomes of running work when its lease is lost. Applies to [`run`](Self::run).
    ///
    /// Defaults to [`OnLoss::DropWork`].
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Waits for the lock at most this long.
    ///
    /// Defaults to not waiting.
    pub fn wait(mut self, within: Duration) -> Self {
        self.wait = Some(within);
        self
    }

    /// Acquires the lock.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the returned future is dropped, a lock that was acquired, or that may have
    /// been acquired, is released in the background. A waiter loses its place in the queue.
    pub async fn acquire(self) -> Acquisition {
        match self.target {
            Err(error) => Acquisition::Invalid(error),
            Ok((name, ttl)) => match self.wait {
                None => self.acquirer.once(&name, ttl).await,
                Some(within) => self.acquirer.waiting(&name, ttl, within).await,
            },
        }
    }

    /// Runs `work` under the lock.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, the work is dropped at its current await and the lock is
    /// released in the background. [`minimum_hold`](Self::minimum_hold) does not apply then.
    pub async fn run<F, W>(self, work: F) -> Outcome<W::Output>
    where
        F: FnOnce(Lease) -> W,
        W: Future,
    {
        let (on_loss, minimum_hold) = (self.on_loss, self.minimum_hold);
        match self.acquire().await {
            Acquisition::Acquired(guard) => run(guard, work, on_loss, minimum_hold).await,
            Acquisition::Busy { holder, ttl } => Outcome::Busy { holder, ttl },
            Acquisition::Unavailable(error) => Outcome::Unavailable(error),
            Acquisition::Invalid(error) => Outcome::Invalid(error),
        }
    }
}

async fn run<F, W>(
    guard: LeaseGuard,
    work: F,
    on_loss: OnLoss,
    minimum_hold: Duration,
) -> Outcome<W::Output>
where
    F: FnOnce(Lease) -> W,
    W: Future,
{
    let began = boot_clock::now();
    let ran_for = || boot_clock::now().saturating_sub(began);
    let hold = || Some(minimum_hold.saturating_sub(ran_for())).filter(|rest| !rest.is_zero());
    let lease = guard.lease().clone();
    let work = || work(lease.clone());
    match run_under(&lease, on_loss, work).await {
        Work::Ended(value) => Outcome::Ran {
            value,
            lease: guard.release_held(hold()).await,
        },
        Work::Panicked(panic) => {
            guard.release_held(hold()).await;
            resume_unwind(panic)
        }
        Work::Dropped => {
            let ran_for = ran_for();
            guard.release().await;
            Outcome::Lost { ran_for }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::LockService;

    #[test]
    fn the_defaults_of_a_request_are_those_of_the_documentation() {
        let service = LockService::redis("redis://localhost").expect("a valid URL");
        let request = service.request("nightly", Duration::from_secs(30));
        assert_eq!(request.minimum_hold, Duration::ZERO);
        assert_eq!(request.on_loss, OnLoss::DropWork);
        assert_eq!(request.wait, None);
    }
}
