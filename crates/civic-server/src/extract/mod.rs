//! What handlers take and give: bodies, paths, queries and lists, each refused in the platform's
//! shape.
//!
//! | request | answer |
//! |---|---|
//! | a body that is not JSON, not UTF-8, or absent where it is needed; a path that is not UTF-8 | 400 |
//! | a body that stops arriving | 408 |
//! | a body beyond the router's limit, 2 MB unless it is told otherwise | 413 |
//! | a body with another content type than `application/json` or `application/*+json` | 415 |
//! | JSON, a path or a query that is not of the type, or breaks one of its rules | 422, with `details` |
//!
//! A 422 is what the platform's validation pipe answers: `Validation failed: name: …` as the
//! message, `Unprocessable Entity` as the error, and one `{field, message}` per mistake in
//! `details`. It never repeats the value.

mod json;
mod meta;
mod node_json;
mod page;
mod paginated;
mod path;
mod query;
mod refusal;
#[cfg(feature = "garde")]
mod valid;

pub use self::json::{Json, JsonText};
pub use self::meta::Meta;
pub use self::page::{Page, SortOrder};
pub use self::paginated::{Paginated, Pagination};
pub use self::path::Path;
pub use self::query::Query;
#[cfg(feature = "garde")]
pub use self::valid::{ValidJson, ValidPath, ValidQuery};
