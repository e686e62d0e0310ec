//! What an operator can see and do: locks and who holds them, jobs and what became of their ticks,
//! executions and how they ended.

mod break_outcome;
mod executions;
mod job_run;
mod job_status;
mod lock_status;
mod once_status;
mod operator;
mod resolve_outcome;

pub use self::break_outcome::BreakOutcome;
pub use self::job_run::JobRun;
pub use self::job_status::{JobSchedule, JobStatus, RunRequest};
pub use self::lock_status::LockStatus;
pub use self::once_status::{OnceState, OnceStatus};
pub use self::operator::Admin;
pub use self::resolve_outcome::{ResolveOnce, ResolveOutcome};
