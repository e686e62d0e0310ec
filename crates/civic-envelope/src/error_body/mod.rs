//! What an error looks like on the wire.
//!
//! Errors are not enveloped. They have the platform's own shape,
//! `{"statusCode","message","correlationId","timestamp"}`, in this order, and after these, where
//! there are any, `error` and `details`. Writing is strict. Reading is lenient, because an error
//! may come from any service, proxy or gateway: see [`ErrorBody::from_json`].

mod body;
mod detail;
mod read;

pub use self::body::ErrorBody;
pub use self::detail::ErrorDetail;
pub(crate) use self::read::words;

#[cfg(test)]
mod tests;
