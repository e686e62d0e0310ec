//! A line of a table, from what was measured.

use crate::measure::Summary;
use crate::report::Row;

/// Makes the line of our side against another.
pub(super) fn row(
    what: &str,
    beside: &str,
    (ours, theirs): (&[f64], &[f64]),
    unit: &'static str,
    aim: Option<f64>,
) -> Row {
    Row {
        what: what.to_owned(),
        beside: beside.to_owned(),
        ratio: Summary::of_ratios(ours, theirs),
        ours: Summary::of(ours).median,
        theirs: Summary::of(theirs).median,
        unit,
        aim,
    }
}
