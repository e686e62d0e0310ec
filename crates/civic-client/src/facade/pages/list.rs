//! The platform's shape of a list.

use serde::Deserialize;

/// A part of a list, as the platform writes it (contract of the platform's list routes).
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) pagination: Pagination,
}

/// Where a part of a list is in the whole.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    pub(super) page: u64,
    pub(super) limit: u64,
    pub(super) total_items: u64,
    pub(super) total_pages: u64,
    pub(super) has_next_page: bool,
}
