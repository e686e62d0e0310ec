//! A piece of work, and a group of them.

use std::fmt;

use crate::measure::Side;

/// The name of our side of every piece.
pub const OURS: &str = "civic";

/// A piece of work, with everything that does the same.
pub struct Piece {
    /// What is done. Unique.
    pub name: &'static str,
    /// Our side first, and then what it is compared with.
    pub sides: Vec<Side<'static>>,
    /// What our side may cost.
    pub aims: Vec<Aim>,
    /// What our side may add to another one that does the rest of the work alone.
    pub adds: Option<Addition>,
}

/// The largest ratio to another side that is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// The name of the other side.
    pub beside: &'static str,
    /// The largest ratio.
    pub at_most: f64,
}

/// The longest time that our side may take longer than another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Addition {
    /// The name of the other side.
    pub beside: &'static str,
    /// The time in ns.
    pub at_most: f64,
    /// How it is said.
    pub words: &'static str,
}

/// Pieces that are shown in one table.
pub struct Group {
    /// The name on the command line.
    pub name: &'static str,
    /// The heading of its table.
    pub title: &'static str,
    /// Makes the pieces, with everything that they need.
    pub pieces: fn() -> Vec<Piece>,
}

/// Returns an aim.
pub(super) const fn aim(beside: &'static str, at_most: f64) -> Aim {
    Aim { beside, at_most }
}

/// Returns what a side may add to another one, in ns, and how that is said.
pub(super) const fn addition(beside: &'static str, at_most: f64, words: &'static str) -> Addition {
    Addition {
        beside,
        at_most,
        words,
    }
}

// ===== impl Piece =====

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("name", &self.name).finish()
    }
}

// ===== impl Group =====

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name).finish()
    }
}
