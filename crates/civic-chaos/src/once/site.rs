//! Where a part runs.

use std::path::PathBuf;

use crate::once::backend::Backend;
use crate::once::options::{Options, Part};

/// The settings of a run, on one store.
#[derive(Clone, Debug)]
pub(super) struct Site<'a> {
    pub(super) options: &'a Options,
    pub(super) backend: Backend,
    /// The folder of its files.
    pub(super) folder: PathBuf,
}

// ===== impl Site =====

impl Site<'_> {
    /// Returns the file of the facts of a part.
    pub(super) fn facts(&self, part: Part) -> PathBuf {
        self.folder.join(format!("{}.json", part.name()))
    }
}
