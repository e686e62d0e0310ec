//! The form of a token: three parts, a header, and claims.
//!
//! What the claims mean is decided in `verify`.

pub(crate) mod claims;
pub(crate) mod compact;
mod header;
mod json;
mod payload;
mod service;

pub(crate) use self::compact::Compact;
pub(crate) use self::header::{Header, TokenType};
pub(crate) use self::json::NumericDate;
pub(crate) use self::payload::Payload;
