//! The published results, as they are printed in the reports of dialogue and conjure.

use crate::published::published::{Published, Row};
use crate::reasons::{
    AHEAD_OF_THE_ANSWER, ASKS_A_SLOW_NODE, ASKS_WHETHER_IT_IS_WELL, BUDGET_BESIDE_A_QUEUE,
    COUNTS_PER_NODE, FAILS_WITHOUT_A_QUEUE, MEETS_ANOTHER_CLIENT, NEVER_QUEUES, REFUSED_SLOWLY,
    Reasons, SHARES_WITHOUT_A_QUEUE,
};

/// The names of the columns: three policies of each client.
const POLICIES: [[&str; 3]; 2] = [
    ["dialogue, RR+L", "dialogue, PIN+L", "dialogue, RR"],
    ["conjure, RR+L", "conjure, PIN+L", "conjure, RR"],
];

const fn row(policy: &'static str, calls: usize, success: f64, mean: f64, server_time: f64) -> Row {
    Row {
        policy,
        calls,
        success,
        mean: if mean > 0.0 { Some(mean) } else { None },
        server_time,
    }
}

/// The rows of a client: success, mean (0 if none was published) and the servers' time of each
/// policy.
const fn client(index: usize, calls: usize, values: [(f64, f64, f64); 3]) -> [Row; 3] {
    let [one, two, three] = POLICIES[index];
    let [first, second, third] = values;
    [
        row(one, calls, first.0, first.1, first.2),
        row(two, calls, second.0, second.1, second.2),
        row(three, calls, third.0, third.1, third.2),
    ]
}

/// The rows of both clients.
const fn both(
    calls: [usize; 2],
    dialogue: [(f64, f64, f64); 3],
    conjure: [(f64, f64, f64); 3],
) -> [Row; 6] {
    let [one, two, three] = client(0, calls[0], dialogue);
    let [four, five, six] = client(1, calls[1], conjure);
    [one, two, three, four, five, six]
}

const NO_REASONS: Reasons = Reasons {
    default_stack: None,
    everything: None,
};

const fn because(default_stack: &'static str, everything: &'static str) -> Reasons {
    Reasons {
        default_stack: Some(default_stack),
        everything: Some(everything),
    }
}

const fn default_because(reason: &'static str) -> Reasons {
    Reasons {
        default_stack: Some(reason),
        everything: None,
    }
}

/// As they were published: dialogue's report of 2024 and conjure's of 2023.
pub(super) static SCENARIOS: &[(&str, Published)] = &[
    (
        "simplest_possible_case",
        Published {
            rows: &both(
                [13_200, 13_199],
                [
                    (100.0, 0.786, 10_372.0),
                    (100.0, 0.834, 11_015.0),
                    (100.0, 0.786, 10_372.0),
                ],
                [
                    (100.0, 0.7901, 10_428.6),
                    (100.0, 0.7902, 10_430.0),
                    (100.0, 0.7901, 10_428.6),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "slowdown_and_error_thresholds",
        Published {
            rows: &both(
                [10_000, 9_999],
                [
                    (100.0, 178.7, 44_225.0),
                    (100.0, 155.9, 34_259.0),
                    (3.6, 21.6, 197_158.0),
                ],
                [
                    (100.0, 175.8, 38_521.0),
                    (100.0, 202.1, 38_022.0),
                    (3.9, 10.0, 195_750.0),
                ],
            ),
            reasons: because(NEVER_QUEUES, NEVER_QUEUES),
            waiting: Some(9),
        },
    ),
    (
        "slow_503s_then_revert",
        Published {
            rows: &both(
                [3_000, 1_500],
                [
                    (100.0, 0.0888, 262.0),
                    (100.0, 0.1353, 394.0),
                    (100.0, 0.0888, 262.0),
                ],
                [
                    (100.0, 0.0846, 121.8),
                    (100.0, 0.2212, 311.3),
                    (100.0, 0.0846, 121.8),
                ],
            ),
            reasons: Reasons {
                default_stack: None,
                everything: Some(ASKS_A_SLOW_NODE),
            },
            waiting: None,
        },
    ),
    (
        "fast_503s_then_revert",
        Published {
            rows: &both(
                [45_000, 45_000],
                [
                    (100.0, 0.120_107, 5_400.0),
                    (100.0, 0.120_012, 5_400.0),
                    (100.0, 0.120_107, 5_400.0),
                ],
                [
                    (100.0, 0.120_255, 5_400.4),
                    (100.0, 0.120_052, 5_400.1),
                    (100.0, 0.120_255, 5_400.4),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "fast_400s_then_revert",
        Published {
            rows: &both(
                [6_000, 6_000],
                [
                    (93.6, 0.1136, 681.5),
                    (82.2, 0.1022, 613.2),
                    (93.6, 0.1136, 681.5),
                ],
                [
                    (93.6, 0.120, 681.7),
                    (64.2, 0.120, 505.1),
                    (93.6, 0.120, 681.7),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "short_outage_on_one_node",
        Published {
            rows: &both(
                [1_600, 1_600],
                [
                    (99.4, 4.351, 3_180.0),
                    (99.8, 18.248, 3_194.0),
                    (99.6, 1.993, 3_188.0),
                ],
                [
                    (99.3, 2.0, 3_176.0),
                    (99.5, 2.0, 3_184.0),
                    (99.3, 2.0, 3_176.0),
                ],
            ),
            reasons: default_because(ASKS_WHETHER_IT_IS_WELL),
            waiting: None,
        },
    ),
    (
        "drastic_slowdown",
        Published {
            rows: &both(
                [4_000, 4_000],
                [
                    (100.0, 0.252, 1_008.0),
                    (100.0, 3.121, 2_468.0),
                    (100.0, 0.252, 1_008.0),
                ],
                [
                    (100.0, 0.261, 1_043.0),
                    (100.0, 8.227, 6_766.0),
                    (100.0, 0.261, 1_043.0),
                ],
            ),
            reasons: default_because(AHEAD_OF_THE_ANSWER),
            waiting: None,
        },
    ),
    (
        "all_nodes_500",
        Published {
            rows: &both(
                [2_000, 2_000],
                [
                    (74.1, 3.347, 1_200.0),
                    (73.9, 4.246, 1_200.0),
                    (50.0, 0.6, 1_200.0),
                ],
                [
                    (73.7, 4.306, 1_200.0),
                    (74.2, 5.775, 1_200.0),
                    (50.0, 0.6, 1_200.0),
                ],
            ),
            reasons: because(FAILS_WITHOUT_A_QUEUE, BUDGET_BESIDE_A_QUEUE),
            waiting: None,
        },
    ),
    (
        "black_hole",
        Published {
            rows: &both(
                [2_000, 2_000],
                [
                    (91.5, 0.6, 1_098.0),
                    (59.2, 0.601, 710.0),
                    (91.4, 0.6, 1_097.0),
                ],
                [
                    (91.4, 0.6, 1_096.0),
                    (44.8, 0.601, 537.0),
                    (91.4, 0.6, 1_096.0),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "one_endpoint_dies_on_each_server",
        Published {
            rows: &both(
                [2_500, 2_500],
                [
                    (66.2, 2.028, 1_500.0),
                    (66.0, 2.095, 1_500.0),
                    (65.1, 0.6, 1_500.0),
                ],
                [
                    (84.6, 0.6, 1_500.0),
                    (65.0, 0.604, 1_500.0),
                    (65.7, 0.6, 1_500.0),
                ],
            ),
            reasons: default_because(COUNTS_PER_NODE),
            waiting: None,
        },
    ),
    (
        "live_reloading",
        Published {
            rows: &client(
                0,
                2_500,
                [
                    (92.9, 5.351, 6_920.0),
                    (94.3, 7.192, 6_952.0),
                    (86.9, 2.802, 7_005.0),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "uncommon_flakes",
        Published {
            // The servers of dialogue's simulation answer in a microsecond, conjure's and ours in a
            // millisecond.
            rows: &client(
                1,
                10_000,
                [
                    (98.9, 0.001, 10.0),
                    (98.9, 0.001, 10.0),
                    (98.9, 0.001, 10.0),
                ],
            ),
            reasons: NO_REASONS,
            waiting: None,
        },
    ),
    (
        "one_big_spike",
        Published {
            rows: &both(
                [1_000, 1_000],
                [
                    (100.0, 1.580, 150.0),
                    (100.0, 2.668, 150.0),
                    (99.9, 1.221, 508.0),
                ],
                [
                    (100.0, 1.797, 150.0),
                    (100.0, 3.427, 150.0),
                    (100.0, 0.953, 373.2),
                ],
            ),
            reasons: because(BUDGET_BESIDE_A_QUEUE, BUDGET_BESIDE_A_QUEUE),
            waiting: Some(190),
        },
    ),
    (
        "server_side_rate_limits",
        Published {
            rows: &both(
                [150_000, 150_000],
                [
                    (99.7, 333_780.0, 43_441_200.0),
                    (100.0, 3_365.0, 36_277_200.0),
                    (99.0, 325.0, 48_322_800.0),
                ],
                [
                    (99.8, 0.0, 43_150_000.0),
                    (99.7, 0.0, 43_810_000.0),
                    (99.0, 314.9, 48_240_000.0),
                ],
            ),
            reasons: because(REFUSED_SLOWLY, REFUSED_SLOWLY),
            waiting: None,
        },
    ),
    (
        "steady_and_bursty",
        Published {
            rows: &client(
                0,
                10_060,
                [(96.9, 24.93, 97.0), (96.9, 24.93, 97.0), (6.4, 3.87, 242.0)],
            ),
            reasons: because(MEETS_ANOTHER_CLIENT, MEETS_ANOTHER_CLIENT),
            waiting: Some(1),
        },
    ),
    (
        "fairness",
        Published {
            rows: &client(
                0,
                1_800,
                [
                    (88.3, 32.04, 359.0),
                    (88.3, 32.04, 359.0),
                    (0.7, 2.69, 1_349.0),
                ],
            ),
            reasons: because(SHARES_WITHOUT_A_QUEUE, SHARES_WITHOUT_A_QUEUE),
            waiting: None,
        },
    ),
];

// ===== impl Published =====

impl Published {
    /// Returns the published results of the scenario with this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        SCENARIOS
            .iter()
            .find(|(scenario, _)| *scenario == name)
            .map(|(_, published)| *published)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::scenarios;

    #[test]
    fn every_scenario_has_its_published_results_and_the_best_is_that_with_most_success() {
        for scenario in scenarios() {
            let published = Published::of(scenario.name);
            let best = published.best().expect(scenario.name);
            assert!(
                published.rows.iter().all(|row| row.success <= best.success),
                "{}",
                scenario.name
            );
        }
        assert!(Published::of("another").best().is_none());
    }

    #[test]
    fn among_equal_success_the_shorter_mean_is_better() {
        let best = Published::of("drastic_slowdown").best().expect("published");
        assert_eq!(best.policy, "dialogue, RR+L");
        let best = Published::of("fast_503s_then_revert").best();
        assert_eq!(best.expect("published").policy, "dialogue, PIN+L");
    }
}
