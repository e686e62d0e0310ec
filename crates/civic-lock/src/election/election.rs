//! A candidate: campaigns, leads, resigns, and knows whether it leads.

use std::panic::resume_unwind;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::acquire::Acquirer;
use crate::boot_clock;
use crate::election::leadership::Leadership;
use crate::election::observer::Observer;
use crate::election::pace::{MAX_LOOK, after_hint, next_look};
use crate::election::terms::Terms;
use crate::error::{Error, ErrorKind};
use crate::lease::lease::{Lease, LeaseEnd};
use crate::lease::machine::LostReason;
use crate::name::LockName;
use crate::outcome::OnLoss;
use crate::store::answer::Acquired;
use crate::timing::{Backoff, Ttl};
use crate::work::{Work, run_under};

/// A candidate of an election. Made by [`LockService::election`](crate::LockService::election).
/// Cheap to clone; the copies are the same candidate.
///
/// See the [module documentation](crate::election) for what is promised and what is not.
///
/// <!-- no_run: it campaigns until it is stopped -->
/// ```no_run
/// use std::time::Duration;
///
/// use civic_lock::{Lease, LockService, Term};
///
/// # async fn example(locks: LockService) -> Result<(), civic_lock::Error> {
/// let election = locks.election("report-writer", Duration::from_secs(15))?;
/// loop {
///     match election.run_while_leader(write_reports).await? {
///         Term::Ended { .. } => break,
///         // The work was dropped. Another candidate may lead by now.
///         Term::Lost { reason, .. } => eprintln!("no longer the leader: {reason}"),
///     }
/// }
/// # Ok(())
/// # }
///
/// async fn write_reports(lease: Lease) {
///     while lease.check().is_ok() {
///         println!("writing with fence {}", lease.fence());
///         tokio::time::sleep(Duration::from_secs(60)).await;
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a candidate does nothing before it campaigns"]
pub struct Election {
    acquirer: Acquirer,
    name: LockName,
    ttl: Ttl,
    terms: Terms,
}

/// How a term under [`Election::run_while_leader`] has ended.
///
/// Exhaustive on purpose: a caller decides in each case whether to campaign again, and the compiler
/// should tell it of a new one.
#[derive(Debug)]
#[must_use = "work that was dropped is not an error"]
pub enum Term<T> {
    /// The work ran to its end, and the leader has resigned.
    Ended {
        /// What it returned. Its errors are never masked by those of the election.
        value: T,
        /// Whether no one else can have led while it ran.
        lease: LeaseEnd,
    },
    /// The leadership was lost, and the work was dropped.
    Lost {
        /// Why it was lost.
        reason: LostReason,
        /// For how long the work had run.
        led_for: Duration,
    },
}

// ===== impl Election =====

impl Election {
    pub(crate) fn new(acquirer: &Acquirer, name: LockName, ttl: Duration) -> Result<Self, Error> {
        Ok(Self {
            acquirer: acquirer.with_max_hold(Duration::MAX),
            name,
            ttl: Ttl::new(ttl)?,
            terms: Terms::default(),
        })
    }

    /// Bounds how long a leader stays one, so that work that hangs does not lead for ever. It is
    /// not renewed after that, and is lost with [`LostReason::MaxHold`]. The
    /// [`max_hold`](crate::LockServiceBuilder::max_hold) of the service does not apply.
    ///
    /// Defaults to no bound.
    pub fn with_max_term(mut self, most: Duration) -> Self {
        self.acquirer = self.acquirer.with_max_hold(most);
        self
    }

    /// Returns the name of the election, which is that of its lock.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.name
    }

    /// Returns whether this candidate leads now, without asking the store.
    ///
    /// It compares the clock with the end of the lease as this process knows it. It is false once
    /// the lease can have ended in the store, and from the moment on at which the candidate
    /// resigns. Like [`Lease::check`], the answer holds for the moment of the call.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.terms.is_leading()
    }

    /// Waits until this candidate is elected, for as long as it takes.
    ///
    /// While the store does not answer, it is asked again, a little less often each time. Of the
    /// candidates of one process only the first one asks.
    ///
    /// # Errors
    ///
    /// Returns what waiting cannot heal: there is no runtime, or the key of the lock holds
    /// something that is not a lock.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the returned future is dropped, a leadership that was gained, or that may
    /// have been gained, is given back in the background.
    pub async fn campaign(&self) -> Result<Leadership, Error> {
        if Handle::try_current().is_err() {
            return Err(Error::no_runtime());
        }
        self.terms.give_way().await;
        let leases = self.acquirer.leases();
        let queue = self.acquirer.queue(&self.name);
        let _turn = queue.lock().await;
        let mut hints = leases.store().hints(&self.name);
        let mut backoff = Backoff::new(MAX_LOOK);
        loop {
            let pause = match leases.acquire(&self.name, self.ttl).await {
                Ok(Acquired::Granted(guard)) => {
                    let departure = self.terms.begin(guard.lease());
                    return Ok(Leadership::new(guard, departure));
                }
                Ok(Acquired::Busy { holder, ttl }) => {
                    tracing::trace!(election = %self.name, holder, ?ttl, "another one leads");
                    backoff = Backoff::new(MAX_LOOK);
                    next_look(ttl, self.ttl.get())
                }
                Err(error) if is_permanent(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(election = %self.name, %error, "no one can be elected");
                    backoff.wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hints.next() => tokio::time::sleep(after_hint()).await,
            }
        }
    }

    /// Watches who leads, whether or not this candidate campaigns. The watch ends when the last
    /// copy of the observer is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`] without a Tokio runtime.
    pub fn observe(&self) -> Result<Observer, Error> {
        Observer::start(self.acquirer.leases().store().clone(), &self.name, self.ttl)
    }

    /// Waits until this candidate is elected, runs `work`, and then resigns: on success, error,
    /// panic, drop and loss.
    ///
    /// The work is dropped at its current await when the leadership is lost, before anyone else can
    /// be elected, provided that the runtime is not blocked and the process is not stopped. What it
    /// has spawned is not dropped with it: end it by the
    /// [token](crate::Lease::cancellation_token) of the lease. A panic of the work goes on after
    /// the resignation.
    ///
    /// # Errors
    ///
    /// Like [`campaign`](Self::campaign). The work has not run then.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, the work is dropped at its current await and the
    /// candidate resigns in the background.
    pub async fn run_while_leader<F, W>(&self, work: F) -> Result<Term<W::Output>, Error>
    where
        F: FnOnce(Lease) -> W,
        W: Future,
    {
        let leadership = self.campaign().await?;
        let lease = leadership.lease().clone();
        let began = boot_clock::now();
        match run_under(&lease, OnLoss::DropWork, || work(lease.clone())).await {
            Work::Ended(value) => Ok(Term::Ended {
                value,
                lease: leadership.resign().await,
            }),
            Work::Panicked(panic) => {
                leadership.resign().await;
                resume_unwind(panic)
            }
            Work::Dropped => {
                let led_for = boot_clock::now().saturating_sub(began);
                let reason = leadership.lost().await;
                leadership.resign().await;
                Ok(Term::Lost { reason, led_for })
            }
        }
    }
}

/// Whether asking again cannot heal it.
fn is_permanent(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Config | ErrorKind::Name | ErrorKind::WrongType
    )
}
