//! Scheduled jobs.

pub mod schedule;
mod tick;

pub use self::{
    schedule::{Schedule, ScheduleError},
    tick::Tick,
};
