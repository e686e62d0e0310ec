//! What is checked: each model's scopes, and the rules that are left out in turn.

mod all;
mod entry;
mod lease;
mod loss;
mod once;
mod peer;
mod schedule;
mod tick;

pub use self::all::all;
pub use self::entry::{Entry, Extent, Mutation};
