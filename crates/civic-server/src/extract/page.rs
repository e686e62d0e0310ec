//! Which part of a list is asked for.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use civic_envelope::{ErrorDetail, Failure};
use http::request::Parts;

use super::refusal::invalid;

/// The most items that a page may have.
const MAX_LIMIT: u32 = 100;

/// The part of a list that a request asks for, with `page`, `limit`, `sortBy` and `sortOrder` in
/// its query.
///
/// | parameter | values | default |
/// |---|---|---|
/// | `page` | 1 and more | 1 |
/// | `limit` | 1 to 100 | `LIMIT`, which is 20 unless the type says otherwise |
/// | `sortBy` | any text: see [`sort_by`](Self::sort_by) | none |
/// | `sortOrder` | `asc`, `desc` | `asc` |
///
/// Other parameters are ignored. A value that is none of these is answered with 422, in the words
/// of the platform's validator.
///
/// ```
/// use civic_server::{Json, Page, Paginated};
///
/// async fn properties(page: Page<10>) -> Json<Paginated<u64>> {
///     let all: Vec<u64> = (1..=23).collect();
///     let items = all.iter().copied().skip(page.offset()).take(page.limit()).collect();
///     Json(Paginated::new(items, &page, all.len()))
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<const LIMIT: u32 = 20> {
    page: u32,
    limit: u32,
    sort_by: Option<String>,
    sort_order: SortOrder,
}

/// The order of a sorted list.
///
/// Exhaustive on purpose: there is no third one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum SortOrder {
    /// From the smallest to the largest. This is the default.
    #[default]
    Ascending,
    /// From the largest to the smallest.
    Descending,
}

// ===== impl Page =====

impl<const LIMIT: u32> Page<LIMIT> {
    /// Returns the number of the page, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.page
    }

    /// Returns how many items a page has at most.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Returns how many items come before this page.
    #[must_use]
    pub const fn offset(&self) -> usize {
        (self.page as usize - 1).saturating_mul(self.limit as usize)
    }

    /// Returns the field to sort by, if it is one of `fields`.
    ///
    /// The text is the caller's: it must not reach a query language unless it was compared.
    ///
    /// # Errors
    ///
    /// 422 if another field was asked for.
    pub fn sort_by<'a>(&self, fields: &[&'a str]) -> Result<Option<&'a str>, Failure> {
        let Some(asked) = &self.sort_by else {
            return Ok(None);
        };
        match fields.iter().find(|field| *field == asked) {
            Some(field) => Ok(Some(field)),
            None => Err(invalid([ErrorDetail::new("sortBy", one_of(fields))])),
        }
    }

    /// Returns the order to sort in.
    #[must_use]
    pub const fn sort_order(&self) -> SortOrder {
        self.sort_order
    }

    fn parse(query: &str) -> Result<Self, Failure> {
        let (mut page, mut limit, mut sort_by, mut sort_order) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => page.push(value),
                "limit" => limit.push(value),
                "sortBy" => sort_by.push(value),
                "sortOrder" => sort_order.push(value),
                _ => {}
            }
        }
        let mut details = Vec::new();
        let mut refuse = |field: &str, message| details.push(ErrorDetail::new(field, message));
        let page = number(&page, 1, u32::MAX).unwrap_or_else(|message| {
            refuse("page", message);
            None
        });
        let limit = number(&limit, 1, MAX_LIMIT).unwrap_or_else(|message| {
            refuse("limit", message);
            None
        });
        if sort_by.len() > 1 {
            refuse(
                "sortBy",
                "Invalid input: expected string, received array".to_owned(),
            );
        }
        let order = match sort_order.iter().map(|order| &**order).collect::<Vec<_>>()[..] {
            [] | ["asc"] => SortOrder::Ascending,
            ["desc"] => SortOrder::Descending,
            _ => {
                refuse("sortOrder", one_of(&["asc", "desc"]));
                SortOrder::Ascending
            }
        };
        if !details.is_empty() {
            return Err(invalid(details));
        }
        Ok(Self {
            page: page.unwrap_or(1),
            limit: limit.unwrap_or_else(|| LIMIT.clamp(1, MAX_LIMIT)),
            sort_by: sort_by.pop().map(String::from),
            sort_order: order,
        })
    }
}

/// The first page, with the default limit.
impl<const LIMIT: u32> Default for Page<LIMIT> {
    fn default() -> Self {
        Self {
            page: 1,
            limit: LIMIT.clamp(1, MAX_LIMIT),
            sort_by: None,
            sort_order: SortOrder::Ascending,
        }
    }
}

impl<const LIMIT: u32, S: Sync> FromRequestParts<S> for Page<LIMIT> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// Reads a number as JavaScript does: `1e1` is ten. Refusals are in the words of the platform's
/// validator.
fn number<T: AsRef<str>>(values: &[T], min: u32, max: u32) -> Result<Option<u32>, String> {
    let text = match values {
        [] => return Ok(None),
        [text] => text.as_ref().trim(),
        _ => return Err("Invalid input: expected number, received array".to_owned()),
    };
    let is_number = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = match text {
        // JavaScript's number of an empty text.
        "" => 0.0,
        text if is_number => f64::from_str(text).unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    if number.is_nan() {
        Err("Invalid input: expected number, received NaN".to_owned())
    } else if number.fract() != 0.0 {
        Err("Invalid input: expected int, received number".to_owned())
    } else if number < f64::from(min) {
        Err(format!("Too small: expected number to be >={min}"))
    } else if number > f64::from(max) {
        Err(format!("Too big: expected number to be <={max}"))
    } else {
        // Exact: a whole number between the two.
        Ok(Some(number as u32))
    }
}

fn one_of(options: &[&str]) -> String {
    let quoted: Vec<String> = options.iter().map(|option| format!("{option:?}")).collect();
    format!("Invalid option: expected one of {}", quoted.join("|"))
}
