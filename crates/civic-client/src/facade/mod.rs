//! The typed client over the stack: URLs from templates, JSON in and out, one error.

mod base_url;
mod builder;
mod client;
mod path;
mod request;

pub use self::builder::ServiceClientBuilder;
pub use self::client::ServiceClient;
pub use self::request::RequestBuilder;
