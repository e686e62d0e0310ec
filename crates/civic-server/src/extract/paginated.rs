//! A part of a list, as an answer.

use serde::Serialize;

use super::page::Page;

/// A part of a list, in the platform's shape.
///
/// ```
/// use civic_server::{Page, Paginated};
///
/// let page = Page::<10>::default();
/// let list = Paginated::new(vec!["a", "b"], &page, 23);
/// assert_eq!(
///     serde_json::to_string(&list).unwrap(),
///     concat!(
///         r#"{"items":["a","b"],"pagination":{"page":1,"limit":10,"totalItems":23,"#,
///         r#""totalPages":3,"hasNextPage":true,"hasPreviousPage":false}}"#
///     )
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Paginated<T> {
    items: Vec<T>,
    pagination: Pagination,
}

/// Where a part of a list is in the whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    page: u32,
    limit: usize,
    total_items: usize,
    total_pages: usize,
    has_next_page: bool,
    has_previous_page: bool,
}

impl<T> Paginated<T> {
    /// Creates the answer to a request for `page`, from its items and the number of all items.
    #[must_use]
    pub fn new<const LIMIT: u32>(items: Vec<T>, page: &Page<LIMIT>, total_items: usize) -> Self {
        let total_pages = total_items.div_ceil(page.limit());
        Self {
            items,
            pagination: Pagination {
                page: page.number(),
                limit: page.limit(),
                total_items,
                total_pages,
                has_next_page: (page.number() as usize) < total_pages,
                has_previous_page: page.number() > 1,
            },
        }
    }

    /// Returns the items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Returns where the items are in the whole list.
    #[must_use]
    pub const fn pagination(&self) -> Pagination {
        self.pagination
    }
}
