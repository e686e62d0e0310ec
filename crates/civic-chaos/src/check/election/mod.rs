//! I19: the leaders of an election, and the writes that they make with their fences.

mod succession;
#[cfg(test)]
mod tests;
mod writes;

use self::succession::{followed_at_once, followers};
use self::writes::{one_after_the_other, stale, writes_of};
use super::verdict::Verdict;
use super::view::View;
use crate::history::Kind;

/// Checks the elections.
pub(super) fn election(view: &View<'_>) -> Vec<Verdict> {
    let mut accepted = Verdict::new(
        "I19",
        "no two leaders whose fenced writes are both accepted: one after the other only",
    );
    let mut sure = Verdict::new(
        "I19",
        "no write is stale whose writer is sure that it leads",
    );
    let mut crash = Verdict::new(
        "I19",
        "a leader that was killed is followed within ttl + jitter",
    );
    let mut resignation = Verdict::new(
        "I19",
        "a leader that resigned is followed within the longest pause of a candidate",
    );
    let mut at_once = Verdict::new(
        "I19",
        "a leader that resigned where no fault is near is followed at once, by another one",
    );
    for group in &view.groups {
        if group.kind != Kind::Candidate {
            continue;
        }
        let writes = writes_of(view, group);
        one_after_the_other(group, &writes, &mut accepted);
        stale(view, &writes, &mut sure);
        followers(view, group, &mut crash, &mut resignation);
        followed_at_once(view, group, &mut at_once);
    }
    vec![
        accepted,
        sure,
        crash.with_note(),
        resignation.with_note(),
        at_once,
    ]
}
