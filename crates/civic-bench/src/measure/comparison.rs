//! Sides that do the same work, measured in turn.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use super::clock::thread_cpu;

/// How much work a run does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Effort {
    /// The number of rounds. Each side is measured once per round.
    pub rounds: usize,
    /// How long a side works in a round.
    pub turn: Duration,
}

impl Effort {
    /// What the committed figures were measured with.
    pub const WHOLE: Self = Self {
        rounds: 9,
        turn: Duration::from_millis(60),
    };

    /// A run that shows that everything works. Its figures mean little.
    pub const QUICK: Self = Self {
        rounds: 3,
        turn: Duration::from_millis(5),
    };
}

/// One of the things that are compared.
pub struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() + 'a>,
}

impl fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Side").field(&self.name).finish()
    }
}

impl<'a> Side<'a> {
    /// Names a piece of work that is done on this thread, without waiting.
    pub fn new<T>(name: &'static str, mut work: impl FnMut() -> T + 'a) -> Self {
        Self {
            name,
            work: Box::new(move || {
                black_box(work());
            }),
        }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Does the work once.
    pub fn work(&mut self) {
        (self.work)();
    }

    /// Runs the work as often as it is told, and returns the processor time of this thread.
    fn run(&mut self, times: u64) -> Duration {
        let before = thread_cpu();
        for _ in 0..times {
            (self.work)();
        }
        thread_cpu() - before
    }
}

/// The measured sides of one comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    sides: Vec<(&'static str, Vec<f64>)>,
}

impl Comparison {
    /// Measures the sides in turn, and in the other order in every second round.
    ///
    /// Each side has its own number of repetitions, so that each works for as long as the others.
    ///
    /// # Panics
    ///
    /// If there are no sides or no rounds.
    #[must_use]
    pub fn measure(effort: Effort, mut sides: Vec<Side<'_>>) -> Self {
        assert!(!sides.is_empty() && effort.rounds > 0, "nothing to measure");
        let times: Vec<u64> = sides
            .iter_mut()
            .map(|side| repetitions(side, effort.turn))
            .collect();
        let mut nanoseconds = vec![Vec::with_capacity(effort.rounds); sides.len()];
        for round in 0..effort.rounds {
            for step in 0..sides.len() {
                let index = if round % 2 == 0 {
                    step
                } else {
                    sides.len() - 1 - step
                };
                let spent = sides[index].run(times[index]);
                nanoseconds[index].push(spent.as_secs_f64() * 1e9 / times[index] as f64);
            }
        }
        Self {
            sides: sides
                .iter()
                .map(|side| side.name)
                .zip(nanoseconds)
                .collect(),
        }
    }

    /// Returns what this side took in each round.
    ///
    /// # Panics
    ///
    /// If no side has this name.
    #[must_use]
    pub fn of(&self, name: &str) -> &[f64] {
        self.sides
            .iter()
            .find(|(side, _)| *side == name)
            .map_or_else(
                || panic!("no side is named {name}"),
                |(_, rounds)| rounds.as_slice(),
            )
    }
}

/// Finds how often the work has to be repeated to last for a turn. It warms up caches meanwhile.
fn repetitions(side: &mut Side<'_>, turn: Duration) -> u64 {
    let mut times = 1;
    loop {
        let spent = side.run(times);
        if spent * 2 >= turn || times >= 1 << 32 {
            let share = turn.as_secs_f64() / spent.as_secs_f64().max(1e-9);
            return ((times as f64 * share) as u64).max(1);
        }
        times *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_side_works_once_per_round_and_has_a_value_per_round() {
        let (first, second) = (Cell::new(0_u64), Cell::new(0_u64));
        let effort = Effort {
            rounds: 3,
            turn: Duration::from_micros(200),
        };
        let comparison = Comparison::measure(
            effort,
            vec![
                Side::new("first", || first.set(first.get() + 1)),
                Side::new("second", || second.set(second.get() + 1)),
            ],
        );
        assert_eq!(comparison.of("first").len(), 3);
        assert_eq!(comparison.of("second").len(), 3);
        assert!(first.get() > 3 && second.get() > 3);
    }
}
