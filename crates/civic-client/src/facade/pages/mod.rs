//! A list of the platform, page by page.

mod fetch;
mod list;
mod page;
mod stream;

pub use self::page::{Page, TotalShift};
pub use self::stream::Pages;
