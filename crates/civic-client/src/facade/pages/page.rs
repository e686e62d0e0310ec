//! One page of a list.

use crate::facade::pages::list::Pagination;

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    items: Vec<T>,
    pagination: Pagination,
    shift: Option<TotalShift>,
}

/// A list has become longer or shorter between two of its pages.
///
/// Pages are counted from the start of the list. If an item was added or removed before the place
/// that was reached, the pages after it have shifted: an item may come twice, or not at all. A
/// caller that must not miss one reads the list again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TotalShift {
    /// How many items the list had according to the page before.
    pub before: u64,
    /// How many it has according to this page.
    pub now: u64,
}

impl<T> Page<T> {
    pub(super) const fn new(
        items: Vec<T>,
        pagination: Pagination,
        shift: Option<TotalShift>,
    ) -> Self {
        Self {
            items,
            pagination,
            shift,
        }
    }

    /// Returns the items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Returns the items as values of the caller's.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Returns the number of the page, counted from 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.pagination.page
    }

    /// Returns how many items the whole list has.
    #[must_use]
    pub const fn total_items(&self) -> u64 {
        self.pagination.total_items
    }

    /// Returns how many pages the whole list has.
    #[must_use]
    pub const fn total_pages(&self) -> u64 {
        self.pagination.total_pages
    }

    /// Returns whether the list has become longer or shorter since the page before.
    #[must_use]
    pub const fn shift(&self) -> Option<TotalShift> {
        self.shift
    }
}
