//! How a comparison is measured: both sides in turn, in one process, round by round.

mod clock;
mod comparison;
mod summary;

pub use self::clock::{process_cpu, thread_cpu};
pub use self::comparison::{Comparison, Effort, Side};
pub use self::summary::Summary;
