//! Charts as SVG text: bars and ranges per scenario, lines over time, and curves over any axis.
//!
//! The same numbers write the same bytes on every machine, so that a report can be compared with
//! the committed one.

mod chart;
mod curve;
mod svg;

pub use self::chart::{Chart, Mark, Row, Series, grouped, lines};
pub use self::curve::{Axis, Curve, Scale, curves};
