//! The example fleet.
fn main() {}
