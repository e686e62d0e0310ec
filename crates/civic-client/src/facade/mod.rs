//! The typed client over the stack: URLs from templates, JSON in and out, one error.

mod answer;
mod base_url;
mod builder;
mod call;
mod client;
mod draft;
mod header;
mod identity;
mod pages;
mod path;
mod prepare;
mod query;
mod request;
mod seams;
mod send;
mod stack_settings;
mod streamed;

pub use self::answer::Answer;
pub use self::builder::ServiceClientBuilder;
pub use self::client::ServiceClient;
pub use self::pages::{Page, Pages, TotalShift};
pub use self::request::RequestBuilder;
pub use self::streamed::{AnswerBody, StreamedAnswer};
