//! The store as one pure step: what each script does to the keys of one lock.
//!
//! A step takes the keys, the server's clock and a command. It says what the keys are afterwards
//! and what the server answers. It follows the scripts of `civic-lock` branch by branch, and a test
//! compares the two. [`Rules`](crate::rules::Rules) says which one rule is left out.

mod answer;
mod claim;
mod command;
mod holder;
mod keys;
mod lease;
mod miss;
mod settings;
mod step;
mod ticks;

pub use self::answer::Answer;
pub use self::command::{Command, Kind};
pub use self::holder::{Holder, process_name};
pub use self::keys::{FENCES_PER_UNIT, Held, Store, Ticks};
pub use self::settings::{Delivery, Settings};
