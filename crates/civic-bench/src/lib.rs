//! Benchmarks of the workspace, and what they share.
//!
//! Machines are noisy: every figure is a ratio against a peer or a limit in the same run, and the
//! median of several rounds. `cargo xtask bench` runs all of it, `cargo xtask bench NAME` a part.
//!
//! The program compares our crates with what people would use instead, and writes
//! `docs/performance.md` with its plots:
//!
//! | part | what is compared |
//! |---|---|
//! | [`work`] | what runs in memory: tokens, the envelope, the layers around a route |
//! | [`calls`] | calls over sockets: hyper-util, reqwest, and what is assembled around reqwest |
//! | [`locks`] | taking and giving back a lock: bare fred |
//! | [`leases`] | renewing leases: one alone, and up to 10 000 in one process |
//! | [`node`] | the same work by the platform's Node services |
//!
//! `tests/it/allocations.rs` holds the work in memory to its number of allocations, in `ci`.
//!
//! The files in `benches/` hold one thing each against a limit:
//!
//! | bench | what it shows |
//! |---|---|
//! | `operator` | how long `civic lock` and `civic job` take among 200 jobs and 10 000 locks |
//! | `outage` | how 500 callers of one lock come out of an outage of Redis of 20 s: speed and memory |

pub mod calls;
pub mod count;
pub mod leases;
pub mod locks;
pub mod machine;
pub mod measure;
pub mod node;
pub mod report;
pub mod run;
pub mod work;

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
