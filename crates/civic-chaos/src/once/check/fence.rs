//! O11 to O13: holders that were stopped, and write when they wake.

use std::collections::HashMap;

use crate::check::Verdict;
use crate::once::facts::fence::Fenced;

/// The layer refuses a fence that was overtaken, or has taken nothing: a replica that was stopped
/// for longer than the command timeout has no answer of its store.
const REFUSALS: [u16; 2] = [409, 503];

pub(crate) fn fence(fenced: &Fenced) -> Vec<Verdict> {
    vec![
        none_is_stale(fenced),
        stopped_holders_wrote(fenced),
        nothing_is_locked_out(fenced),
    ]
}

fn none_is_stale(fenced: &Fenced) -> Verdict {
    let mut verdict = Verdict::new(
        "O11",
        "no row accepts a fence that is smaller than its last",
    );
    let mut largest: HashMap<&str, u64> = HashMap::new();
    for write in fenced.writes.iter().filter(|write| write.accepted) {
        verdict.checks += 1;
        let last = largest.entry(&write.row).or_default();
        if write.fence < *last {
            verdict.violated(
                format!("{} accepted {} after {last}", write.row, write.fence),
                [],
            );
        }
        *last = write.fence.max(*last);
    }
    verdict
}

fn stopped_holders_wrote(fenced: &Fenced) -> Verdict {
    let mut verdict = Verdict::new(
        "O12",
        "every holder that was overtaken is refused: by the layer with 409, or by the row",
    );
    verdict.checks = fenced.stale_holders();
    if verdict.checks < fenced.wanted {
        verdict.violated(
            format!(
                "only {} of {} holders wrote after they were overtaken",
                verdict.checks, fenced.wanted
            ),
            [],
        );
    }
    for refused in fenced
        .refused
        .iter()
        .filter(|refused| !REFUSALS.contains(&refused.status))
    {
        verdict.violated(
            format!(
                "a write to {} with fence {} was answered with {}",
                refused.row, refused.fence, refused.status
            ),
            [],
        );
    }
    verdict
}

fn nothing_is_locked_out(fenced: &Fenced) -> Verdict {
    let mut verdict = Verdict::new(
        "O13",
        "a fence of 9·10^18 is refused with 400 by each replica, and locks no one out",
    );
    verdict.checks = fenced.far_ahead.len() as u64;
    for status in fenced.far_ahead.iter().filter(|&&status| status != 400) {
        verdict.violated(format!("it was answered with {status}"), []);
    }
    if fenced.far_ahead.is_empty() || fenced.accepted_after == 0 {
        verdict.violated("nothing was accepted after it", []);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::facts::fence::{Refused, Write};

    fn write(row: &str, fence: u64, accepted: bool) -> Write {
        Write {
            row: row.to_owned(),
            fence,
            accepted,
        }
    }

    fn refused(fence: u64, status: u16) -> Refused {
        Refused {
            row: "a".to_owned(),
            fence,
            status,
        }
    }

    fn good() -> Fenced {
        Fenced {
            wanted: 2,
            stops: 2,
            writes: vec![
                write("a", 5, true),
                write("b", 4, true),
                write("a", 5, true),
                write("a", 7, true),
                write("a", 6, false),
            ],
            refused: vec![refused(5, 409)],
            far_ahead: vec![400; 3],
            accepted_after: 9,
        }
    }

    fn broken(fenced: &Fenced) -> Vec<&'static str> {
        fence(fenced)
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| verdict.id)
            .collect()
    }

    #[test]
    fn stale_writes_that_are_refused_are_right() {
        assert_eq!(broken(&good()), [""; 0]);
        assert!(fence(&good()).iter().all(|verdict| verdict.checks > 0));
    }

    #[test]
    fn a_stale_write_that_is_accepted_is_a_violation() {
        let mut stale = good();
        stale.writes.push(write("a", 6, true));
        assert_eq!(broken(&stale), ["O11"]);
    }

    #[test]
    fn too_few_holders_are_a_violation_and_so_is_another_answer() {
        let mut few = good();
        few.wanted = 3;
        assert_eq!(broken(&few), ["O12"]);
        let mut odd = good();
        odd.refused.push(refused(7, 500));
        assert_eq!(broken(&odd), ["O12"]);
    }

    #[test]
    fn a_fence_far_ahead_that_is_let_in_or_locks_out_is_a_violation() {
        let mut admitted = good();
        admitted.far_ahead[1] = 204;
        assert_eq!(broken(&admitted), ["O13"]);
        let mut locked_out = good();
        locked_out.accepted_after = 0;
        assert_eq!(broken(&locked_out), ["O13"]);
    }
}
