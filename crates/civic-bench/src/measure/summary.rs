//! The median of rounds, and how far they are apart.

use crate::median;

/// What several rounds gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The value in the middle.
    pub median: f64,
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
}

impl Summary {
    /// Summarises the values of the rounds.
    ///
    /// # Panics
    ///
    /// If there are no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        Self {
            median: median(values.to_vec()),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// Summarises the quotients of two sides, round by round: what disturbs the machine in a round
    /// disturbs both sides.
    ///
    /// # Panics
    ///
    /// If there are no rounds.
    #[must_use]
    pub fn of_ratios(ours: &[f64], beside: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(beside).map(|(a, b)| a / b).collect();
        Self::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn a_ratio_is_taken_per_round() {
        // The second round was disturbed: both sides took ten times as long.
        let summary = Summary::of_ratios(&[2.0, 20.0, 2.2], &[1.0, 10.0, 1.0]);
        assert_eq!(
            summary,
            Summary {
                median: 2.0,
                least: 2.0,
                most: 2.2
            }
        );
    }
}
