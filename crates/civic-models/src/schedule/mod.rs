//! A changed schedule: replicas of one job are replaced one by one by ones with another schedule.
//!
//! The store remembers since when each schedule was seen. A replica
//! claims by its own schedule, and only instants after that first sight. The watermark is common.
//! Each replica looks at the store once per unit of time. Nothing is lost on the way here.

mod actions;
mod job;
mod model;
mod properties;
mod scope;
mod state;

pub use self::actions::Action;
pub use self::job::{Claim, Job, Sight};
pub use self::model::ScheduleModel;
pub use self::properties::{DROPPED, FORGOTTEN, PHANTOM, REPLACED, TWICE};
pub use self::scope::Scope;
pub use self::state::{Instant, Replica, State};
