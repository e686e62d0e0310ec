//! Whether a history keeps the promises. Pure: a history in, verdicts out.
//!
//! A promise that a fault suspends by design is *excused* there, and counted, so that a reader sees
//! how much was really checked:
//!
//! - a replica that was stopped (or a machine that stood still) may be overtaken without knowing;
//!   the fence is what refuses it;
//! - a server that lost its data has lost its locks and its watermarks: two may hold at a time,
//!   and ticks may run again. Fences still grow;
//! - a server that was replaced by its replica has lost its last writes, and no others.

mod clock;
mod crashes;
mod crowd;
mod deployments;
mod election;
mod eviction;
mod exclusion;
#[cfg(test)]
mod fixture;
mod injected;
mod lease;
mod life;
mod limits;
mod loss;
mod operator;
mod server;
mod span;
mod ticks;
mod verdict;
mod view;

pub(crate) use self::verdict::Verdict;
pub(crate) use self::view::View;
use crate::history::Record;

/// Checks a history whose records are in order.
pub(crate) fn check(records: &[Record]) -> Vec<Verdict> {
    let view = View::new(records);
    let mut verdicts = vec![exclusion::fences(&view), exclusion::exclusion(&view)];
    verdicts.extend(server::check(&view));
    verdicts.extend(ticks::check(&view));
    verdicts.extend(limits::check(&view));
    verdicts.push(crashes::crashes(&view));
    verdicts.extend(clock::clock(&view));
    verdicts.extend(crowd::crowd(&view));
    verdicts.extend(deployments::deployments(&view));
    verdicts.push(eviction::eviction(&view));
    verdicts.extend(operator::operator(&view));
    verdicts.extend(election::election(&view));
    verdicts
}
