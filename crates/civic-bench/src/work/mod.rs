//! What runs in memory: pieces of work, ours and beside it, that do the same for the same input.
//!
//! The pieces are measured by [`Comparison`](crate::measure::Comparison), and counted in
//! instructions by callgrind and in allocations by the tests.

mod client;
mod envelope;
mod groups;
mod piece;
mod poll;
mod route;
mod tokens;

pub use self::envelope::{Declared, Property, rows};
pub use self::groups::GROUPS;
pub use self::piece::{Addition, Aim, Group, OURS, Piece};
pub use self::poll::ready;
pub use self::route::LAYERS;
