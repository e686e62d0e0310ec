//! A span in which the server may lose what was written.

use super::span::Span;
use crate::history::{SECOND, ServerState};

/// How far a replica of the server may be behind it: it is passed on after each write, but a
/// machine that is busy lets it wait.
const LAG: u64 = SECOND;

/// A span in which the server may lose what was written.
#[derive(Debug)]
pub(crate) struct Loss {
    /// From the loss until the server answers again.
    span: Span,
    extent: Extent,
    /// The groups whose keys were on the server, or none if all of them were.
    groups: Option<Vec<usize>>,
}

/// What may be lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// Any key, however old.
    All,
    /// Only what was written last, and what is written to a server that was replaced.
    Latest,
}

// ===== impl Loss =====

impl Loss {
    fn new(from: u64, extent: Extent, groups: Option<&[usize]>) -> Self {
        Self {
            span: Span { from, to: u64::MAX },
            extent,
            groups: groups.map(<[usize]>::to_vec),
        }
    }

    /// What a server wrote last that took no more writes from `at` on.
    fn of_the_last_writes(at: u64, groups: Option<&[usize]>) -> Self {
        let mut loss = Self::new(at.saturating_sub(LAG), Extent::Latest, groups);
        loss.ends(at);
        loss
    }

    fn ends(&mut self, at: u64) {
        self.span.to = self.span.to.min(at);
    }

    fn hits(&self, extent: Extent, group: usize, span: Span) -> bool {
        self.extent == extent
            && self.span.meets(span)
            && self
                .groups
                .as_ref()
                .is_none_or(|groups| groups.contains(&group))
    }

    pub(crate) fn is_of_all(&self) -> bool {
        self.extent == Extent::All
    }

    /// Returns how long it was, up to the instant `end`.
    pub(crate) fn length(&self, end: u64) -> u64 {
        self.span.to.min(end).saturating_sub(self.span.from)
    }
}

/// The losses of a history.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

// ===== impl Losses =====

impl Losses {
    /// Applies the next state of the servers, or of the one that has the keys of these groups.
    pub(super) fn apply(&mut self, at: u64, state: ServerState, groups: Option<&[usize]>) {
        match state {
            ServerState::Lost => self.0.push(Loss::new(at, Extent::All, groups)),
            ServerState::Stale => self.0.push(Loss::new(at, Extent::Latest, groups)),
            ServerState::Replaced => self.0.push(Loss::of_the_last_writes(at, groups)),
            // There is one fault of a server at a time.
            ServerState::Back => self.0.iter_mut().for_each(|loss| loss.ends(at)),
            ServerState::Away | ServerState::Watched | ServerState::Unwatched => {}
        }
    }

    /// Returns whether so much may have been lost of a group, within the span.
    pub(super) fn hit(&self, extent: Extent, group: usize, span: Span) -> bool {
        self.0.iter().any(|loss| loss.hits(extent, group, span))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter()
    }
}
