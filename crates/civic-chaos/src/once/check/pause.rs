//! O14 and O15: executors that were stopped, and complete when they wake.

use crate::check::Verdict;
use crate::once::facts::pause::{Paused, Round};

pub(crate) fn pause(paused: &Paused) -> Vec<Verdict> {
    let mut taken_over = Verdict::new(
        "O14",
        "at least once: the next one takes over with a larger fence and attempt, and the one that \
         wakes overwrites nothing",
    );
    let mut in_doubt = Verdict::new(
        "O15",
        "at most once: the next one is told that it is in doubt and executes nothing, and what \
         the one that wakes records is its own",
    );
    for (n, round) in paused.rounds.iter().enumerate() {
        let verdict = if round.at_most_once {
            &mut in_doubt
        } else {
            &mut taken_over
        };
        verdict.checks += 1;
        let right = if round.at_most_once {
            stays_in_doubt(round)
        } else {
            is_taken_over(round)
        };
        if !right {
            verdict.violated(format!("round {n}: {round:?}"), []);
        }
    }
    vec![taken_over, in_doubt]
}

fn is_taken_over(
    Round {
        first,
        second,
        third,
        ..
    }: &Round,
) -> bool {
    first.outcome == "refused"
        && second.outcome == "completed"
        && second.attempt == first.attempt + 1
        && second.fence > first.fence
        && third.outcome == "done"
        && third.result == "second"
        && (third.attempt, third.fence) == (second.attempt, second.fence)
}

fn stays_in_doubt(
    Round {
        first,
        second,
        third,
        ..
    }: &Round,
) -> bool {
    // No one has executed it since, so the one that wakes may say what became of it.
    let recorded = first.outcome == "completed"
        && third.outcome == "done"
        && third.result == "first"
        && (third.attempt, third.fence) == (first.attempt, first.fence);
    let refused = first.outcome == "refused" && third.outcome == "in-doubt";
    second.outcome == "in-doubt" && (recorded || refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::facts::pause::Turn;

    fn turn(outcome: &str, attempt: u32, result: &str) -> Turn {
        Turn {
            outcome: outcome.to_owned(),
            attempt,
            fence: u64::from(attempt) + 10,
            result: result.to_owned(),
        }
    }

    fn taken_over() -> Round {
        Round {
            at_most_once: false,
            first: turn("refused", 1, ""),
            second: turn("completed", 2, "second"),
            third: turn("done", 2, "second"),
        }
    }

    fn in_doubt() -> Round {
        Round {
            at_most_once: true,
            first: turn("refused", 1, ""),
            second: turn("in-doubt", 1, ""),
            third: turn("in-doubt", 1, ""),
        }
    }

    fn broken(change: impl Fn(&mut Round, &mut Round)) -> Vec<&'static str> {
        let (mut one, mut other) = (taken_over(), in_doubt());
        change(&mut one, &mut other);
        let rounds = vec![one, other];
        pause(&Paused { rounds })
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| verdict.id)
            .collect()
    }

    #[test]
    fn an_executor_that_wakes_and_is_refused_is_right() {
        assert_eq!(broken(|_, _| ()), [""; 0]);
    }

    #[test]
    fn an_executor_that_wakes_may_end_the_doubt_about_itself() {
        let recorded = |_: &mut Round, round: &mut Round| {
            round.first = turn("completed", 1, "first");
            round.third = turn("done", 1, "first");
        };
        assert_eq!(broken(recorded), [""; 0]);
    }

    #[test]
    fn an_executor_that_overwrites_is_a_violation() {
        assert_eq!(
            broken(|round, _| round.first = turn("completed", 1, "first")),
            ["O14"]
        );
        assert_eq!(
            broken(|round, _| round.third = turn("done", 2, "first")),
            ["O14"]
        );
        assert_eq!(
            broken(|_, round| round.third = turn("done", 1, "first")),
            ["O15"],
            "it was refused"
        );
    }

    #[test]
    fn a_takeover_with_the_same_fence_or_attempt_is_a_violation() {
        assert_eq!(broken(|round, _| round.second.fence = 11), ["O14"]);
        assert_eq!(broken(|round, _| round.second.attempt = 1), ["O14"]);
    }

    #[test]
    fn a_second_execution_of_what_is_in_doubt_is_a_violation() {
        assert_eq!(
            broken(|_, round| round.second = turn("completed", 2, "second")),
            ["O15"]
        );
    }
}
