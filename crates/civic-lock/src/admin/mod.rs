//! What an operator can see and do: locks and who holds them, jobs and what became of their ticks.

mod break_outcome;
mod job_run;
mod job_status;
mod lock_status;
mod operator;

pub use self::break_outcome::BreakOutcome;
pub use self::job_run::JobRun;
pub use self::job_status::{JobSchedule, JobStatus, RunRequest};
pub use self::lock_status::LockStatus;
pub use self::operator::Admin;
