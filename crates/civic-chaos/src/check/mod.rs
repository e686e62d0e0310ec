//! Whether a history keeps the promises. Pure: a history in, verdicts out.
//!
//! A promise that a fault suspends by design is *excused* there, and counted, so that a reader sees
//! how much was really checked:
//!
//! - a replica that was stopped (or a machine that stood still) may be overtaken without knowing;
//!   the fence is what refuses it;
//! - a server that lost its data has lost its locks and its watermarks: two may hold at a time,
//!   and ticks may run again. Fences still grow.

mod exclusion;
#[cfg(test)]
mod fixture;
mod limits;
mod server;
mod ticks;
mod view;

pub(crate) use self::view::View;
use crate::history::Record;

/// What came out for one promise.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Its number among the invariants of docs/reliability.md.
    pub(crate) id: &'static str,
    pub(crate) promise: &'static str,
    /// How often it was put to the test.
    pub(crate) checks: u64,
    /// How often a fault suspended it.
    pub(crate) excused: u64,
    pub(crate) violations: Vec<Violation>,
    /// Something that was measured on the way.
    pub(crate) note: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) text: String,
    /// The records that show it, as indices into the history.
    pub(crate) records: Vec<usize>,
}

impl Verdict {
    fn new(id: &'static str, promise: &'static str) -> Self {
        Self {
            id,
            promise,
            checks: 0,
            excused: 0,
            violations: Vec::new(),
            note: None,
        }
    }

    fn violated(&mut self, text: impl Into<String>, records: impl IntoIterator<Item = usize>) {
        self.violations.push(Violation {
            text: text.into(),
            records: records.into_iter().collect(),
        });
    }

    pub(crate) fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Checks a history whose records are in order.
pub(crate) fn check(records: &[Record]) -> Vec<Verdict> {
    let view = View::new(records);
    let mut verdicts = vec![exclusion::fences(&view), exclusion::exclusion(&view)];
    verdicts.extend(server::check(&view));
    verdicts.extend(ticks::check(&view));
    verdicts.extend(limits::check(&view));
    verdicts
}
