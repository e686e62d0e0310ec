//! The typed client over the stack: URLs from templates, JSON in and out, one error.

mod answer;
mod base_url;
mod builder;
mod client;
mod header;
mod identity;
mod path;
mod query;
mod request;
mod send;
mod stack_settings;

pub use self::answer::Answer;
pub use self::builder::ServiceClientBuilder;
pub use self::client::ServiceClient;
pub use self::request::RequestBuilder;
