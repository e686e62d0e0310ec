//! What was published for a scenario, and which of it is best.

use crate::reasons::Reasons;

/// The published results of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Published {
    /// One row per client and policy; none if the scenario was not published.
    pub rows: &'static [Row],
    /// Why our stacks are behind the best of them, where they are.
    pub reasons: Reasons,
    /// How many calls each of our clients has under way at once where calls are to wait, if that is
    /// of use here.
    pub waiting: Option<usize>,
}

/// What was published for a client with one policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The client and its policy.
    pub policy: &'static str,
    /// The number of calls.
    pub calls: usize,
    /// The share of the calls that succeeded, in percent.
    pub success: f64,
    /// The mean time of a call, in seconds, if one was published.
    pub mean: Option<f64>,
    /// The time from the arrival of a request to its answer, summed over all requests, in seconds.
    pub server_time: f64,
}

/// What the names of the columns stand for.
pub const ABOUT: &str = "*RR* goes to the node with the fewest requests under way and recent \
    failures. *RR+L* does the same with a limit per node that adapts itself, and calls that wait in \
    a queue in front of it. *PIN+L* keeps to one node until it fails, with the same limits. All of \
    them retry up to 4 times after at most 250 ms, doubled each time: 429 and 503 always, 500 only \
    with GET.";

// ===== impl Published =====

impl Published {
    /// Returns the best row: by success first, then by the mean, then by the servers' time.
    #[must_use]
    pub fn best(&self) -> Option<&'static Row> {
        self.rows.iter().min_by(|one, other| {
            let mean = |row: &Row| row.mean.unwrap_or(f64::INFINITY);
            other
                .success
                .total_cmp(&one.success)
                .then(mean(one).total_cmp(&mean(other)))
                .then(one.server_time.total_cmp(&other.server_time))
        })
    }
}

impl Row {
    /// Returns for how long servers worked per call, in seconds.
    #[must_use]
    pub fn server_time_per_call(&self) -> f64 {
        self.server_time / self.calls.max(1) as f64
    }
}
