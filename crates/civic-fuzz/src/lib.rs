//! Fuzz targets for every parser of this workspace.
//!
//! A target is a function of any bytes that panics if a promise is broken. It compares a crate with
//! a second statement of its rules, which is written without looking at the first one, and so finds
//! more than what crashes. `cargo xtask fuzz` searches for such bytes; the test of this package
//! runs each target over its seeds, on every change.

mod target;

/// A target: a name, and what it does with any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    name: &'static str,
    run: fn(&[u8]),
}

/// Lists every target; without the feature `native`, those of civic-envelope alone.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    target::all()
}

// ===== impl Target =====

impl Target {
    pub(crate) const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }

    /// Returns the target of this name, if there is one.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        targets().find(|target| target.name == name)
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the target over these bytes.
    ///
    /// # Panics
    ///
    /// Panics if a promise is broken.
    pub fn run(&self, data: &[u8]) {
        (self.run)(data);
    }
}
