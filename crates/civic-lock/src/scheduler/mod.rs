//! Scheduled jobs, each tick on exactly one replica.
//!
//! # What is not promised
//!
//! - **Not "exactly once" under faults.** A holder that dies between its work and the record of it
//!   has done the work, and no one can know. [`Delivery`](crate::Delivery) says which error to
//!   make: [`AtLeastOnce`](crate::Delivery::AtLeastOnce) runs the tick again, with a higher fence
//!   and attempt number; [`AtMostOnce`](crate::Delivery::AtMostOnce) does not, and the tick may be
//!   lost without an event.
//! - **No mutual exclusion for a holder that was stopped.** A process that is stopped for longer
//!   than the ttl is told when it goes on. What it does until then can only be refused by the
//!   resource, by the [fence](crate::Lease::fence).
//! - **No protection from a store that loses its data.** A tick that was done before may then be
//!   run again.
//! - **No punctuality.** A tick runs when a replica thinks that it is due. The replica whose clock
//!   is ahead claims it first, by up to [`max_skew`](Scheduler::max_skew) early by the store's
//!   clock. (One whose clock is behind goes by the store's.)
//! - **No second report.** The replica that records ticks as missed reports them. If it dies
//!   between the two, their events are lost with it.
//!
//! # What is promised
//!
//! - Without faults each tick runs **once**, on one replica, however short the work and however
//!   different the clocks of the replicas (within the maximum skew): a tick that is done is done,
//!   which the store remembers as a watermark.
//! - A tick whose holder died, was stopped or lost its lease is **taken over** within ttl + jitter
//!   (at most 250 ms), whatever the length of the work, with `attempt >= 2` and a strictly larger
//!   fence. Later ticks that are due by then wait for it.
//! - A holder that is **shut down** claims nothing more. Work that is running has the
//!   [bound](Scheduler::shutdown_bound) to end, 15 s by default; then it is dropped, and the tick
//!   is handed over. Another replica takes it over at once if it hears the hint, and otherwise
//!   within the [poll cap](Scheduler::poll_cap).
//! - A tick that is not begun, or not begun again, within its misfire grace is **reported as
//!   missed** by exactly one replica, even if all replicas were down. With `AtLeastOnce` nothing is
//!   lost silently.
//! - Ticks of one job **never overlap** and run in order. Of several that are due at once, the
//!   [`Coalesce`] of the job chooses.
//! - A tick is begun **at most as often** as the job [says](Job::max_attempts), whether its work
//!   fails or kills its holder.
//! - A tick that a Node service was **seen** to run is not run again: see [`Peers`].
//! - A schedule that is deployed now has **no tick before** its deployment, and one that is retired
//!   has none after it.
//! - A replica whose clock and the store's **differ** by more than a minute does nothing but say
//!   so.
//! - The work is told and dropped **before** another replica can take the tick over, as long as the
//!   process is not stopped nor its runtime blocked.
//! - While the store is **unavailable nothing runs**, even if the service is told to fail open.
//! - A panic in the work, or in the observer, stays there.
//!
//! # Example
//!
//! ```
//! use civic_lock::{Job, LockService, Scheduler};
//!
//! # async fn example() -> Result<(), civic_lock::Error> {
//! let locks = LockService::from_env()?;
//! let nightly = Job::cron("penalty-calculation", "0 2 * * *")?.timezone("America/Toronto")?;
//!
//! Scheduler::new(&locks)
//!     .job(nightly, |run| async move {
//!         for account in 0..1000 {
//!             run.lease().check()?; // before each side effect
//!             charge(account, run.tick(), run.lease().fence()).await;
//!         }
//!         Ok::<(), civic_lock::LeaseLost>(())
//!     })?
//!     .on_event(|job, event| println!("{} {}", job.name(), event.name()))
//!     .run(async { let _ = tokio::signal::ctrl_c().await; })
//!     .await;
//! # Ok(())
//! # }
//! # async fn charge(_: u32, _: civic_lock::Tick, _: u64) {}
//! ```

mod clock_offset;
mod coalesce;
mod condition;
mod event;
mod execute;
mod job;
mod knowledge;
mod misfire;
mod on_demand;
mod passed_over;
mod peer_run;
mod peers;
mod replica;
mod run;
pub mod schedule;
mod scheduler;
mod settings;
mod tick;
mod worker;

pub use self::coalesce::Coalesce;
pub use self::event::{AfterFailure, Attempt, Event};
pub use self::job::{Job, OnError};
pub use self::peers::{PeerForm, Peers};
pub use self::run::Run;
pub use self::schedule::Schedule;
pub use self::scheduler::{SHUTDOWN_BOUND, Scheduler};
pub use self::tick::Tick;
