//! Benchmarks of the workspace, and what they share.
//!
//! Machines are noisy: every figure is a ratio against a peer or a limit in the same run, and the
//! median of several rounds. Run one with `cargo bench --package civic-bench --bench <name>`.
//!
//! | bench | what it shows |
//! |---|---|
//! | `leases` | what one renewal costs, and that it does not depend on how many leases the process holds |
//! | `operator` | how long `civic lock` and `civic job` take among 200 jobs and 10 000 locks |
//! | `outage` | how 500 callers of one lock come out of an outage of Redis of 20 s: speed and memory |

/// Returns the median; for an even number of values, the mean of the two in the middle.
///
/// # Panics
///
/// If there are no values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a median needs values");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![3.0], 3.0),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0, 2.0, 9.0], 3.0),
        ] {
            assert!((median(values) - expected).abs() < f64::EPSILON);
        }
    }
}
