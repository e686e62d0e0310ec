//! The results that were published with the scenarios, and how ours stand beside them.

mod published;
mod rows;

pub use self::published::{ABOUT, Published, Row};
