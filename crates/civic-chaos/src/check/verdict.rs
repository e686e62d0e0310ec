//! The result of a check.

/// The result for one promise.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The number among the invariants of the crate's README.
    pub(crate) id: &'static str,
    pub(crate) promise: &'static str,
    /// How often the promise was tested.
    pub(crate) checks: u64,
    /// How often a fault suspended the promise.
    pub(crate) excused: u64,
    pub(crate) violations: Vec<Violation>,
    /// A measurement that was made on the way.
    pub(crate) note: Option<String>,
}

/// A case in which a promise was broken.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) text: String,
    /// The records that show the violation, as indices into the history.
    pub(crate) records: Vec<usize>,
}

// ===== impl Verdict =====

impl Verdict {
    pub(crate) fn new(id: &'static str, promise: &'static str) -> Self {
        Self {
            id,
            promise,
            checks: 0,
            excused: 0,
            violations: Vec::new(),
            note: None,
        }
    }

    pub(crate) fn violated(
        &mut self,
        text: impl Into<String>,
        records: impl IntoIterator<Item = usize>,
    ) {
        self.violations.push(Violation {
            text: text.into(),
            records: records.into_iter().collect(),
        });
    }

    pub(crate) fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}
