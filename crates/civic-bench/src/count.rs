//! One piece of work, repeated: for callgrind, which counts the instructions of a whole process.
//!
//! Two runs that differ only in the number of times give the instructions of one time.

use crate::work;

/// Does our side of a piece of work so many times.
///
/// # Errors
///
/// That no piece has this name.
pub fn repeat(name: &str, times: u64) -> Result<(), String> {
    let mut names = Vec::new();
    for group in work::GROUPS {
        for mut piece in (group.pieces)() {
            if piece.name == name {
                for _ in 0..times {
                    piece.sides[0].work();
                }
                return Ok(());
            }
            names.push(piece.name);
        }
    }
    Err(format!(
        "no piece is named {name}: there are {}",
        names.join(", ")
    ))
}
