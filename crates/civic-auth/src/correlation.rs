//! The correlation id: one name for everything that one request causes.
//!
//! An id is accepted if it has 1 to 128 characters of `[A-Za-z0-9._:-]`. Anything else is replaced
//! by a new UUIDv4: an id ends up in logs and headers of other services, so it must not carry line
//! breaks, be of any length, or be two ids at once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::context::Context;

/// The header that carries the correlation id: `X-Correlation-Id`.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The longest id that is accepted.
const MAX_CHARACTERS: usize = 128;

/// A checked correlation id. Cheap to clone.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// A new id, a UUIDv4.
    #[must_use]
    pub fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        Self(Arc::from(
            &*Uuid::new_v4().hyphenated().encode_lower(&mut buffer),
        ))
    }

    /// Takes somebody else's id.
    ///
    /// # Errors
    ///
    /// Unless it has 1 to 128 characters of `[A-Za-z0-9._:-]`.
    pub fn parse(id: &str) -> Result<Self, InvalidCorrelationId> {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        if (1..=MAX_CHARACTERS).contains(&id.len()) && id.bytes().all(allowed) {
            Ok(Self(id.into()))
        } else {
            Err(InvalidCorrelationId(()))
        }
    }

    /// The id that these headers carry: there is exactly one such header, and it is valid.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CORRELATION_ID).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.to_str().ok()?).ok()
    }

    /// The id of a request: the one in its extensions, else a valid one in its header, else that of the
    /// [`Context`].
    pub(crate) fn of_request(headers: &HeaderMap, extensions: &Extensions) -> Option<Self> {
        extensions
            .get()
            .cloned()
            .or_else(|| Self::from_headers(headers))
            .or_else(|| Context::current().correlation_id().cloned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the value of a header.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("every character of an id is allowed in a header")
    }
}

impl Default for CorrelationId {
    /// A new id.
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for CorrelationId {
    type Err = InvalidCorrelationId;

    fn from_str(id: &str) -> Result<Self, InvalidCorrelationId> {
        Self::parse(id)
    }
}

impl AsRef<str> for CorrelationId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<CorrelationId> for String {
    fn from(id: CorrelationId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CorrelationId({})", self.0)
    }
}

impl Serialize for CorrelationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The text is not 1 to 128 characters of `[A-Za-z0-9._:-]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidCorrelationId(());

impl fmt::Display for InvalidCorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a correlation id must be 1 to 128 characters of [A-Za-z0-9._:-]")
    }
}

impl std::error::Error for InvalidCorrelationId {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_128_characters_is_accepted_and_one_of_129_is_not() {
        assert!(CorrelationId::parse(&"a".repeat(128)).is_ok());
        assert!(CorrelationId::parse(&"a".repeat(129)).is_err());
        assert!(CorrelationId::parse("").is_err());
        assert!(CorrelationId::parse("Az0._:-").is_ok());
        for id in ["a b", "a\nb", "a,b", "é", "a/b", "\"a\"", "a\0"] {
            assert!(CorrelationId::parse(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_new_id_is_a_uuid_of_version_4_and_valid() {
        let id = CorrelationId::new();
        assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 4);
        assert_eq!(CorrelationId::parse(id.as_str()), Ok(id.clone()));
        assert_ne!(id, CorrelationId::new());
    }

    #[test]
    fn two_ids_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(CorrelationId::from_headers(&headers), None);
        headers.append(CORRELATION_ID, HeaderValue::from_static("one"));
        assert_eq!(
            CorrelationId::from_headers(&headers).unwrap().as_str(),
            "one"
        );
        headers.append(CORRELATION_ID, HeaderValue::from_static("one"));
        assert_eq!(CorrelationId::from_headers(&headers), None);
    }

    proptest! {
        #[test]
        fn an_accepted_id_is_a_header_value_and_comes_back_from_it(id in "\\PC{0,140}") {
            if let Ok(id) = CorrelationId::parse(&id) {
                let headers = HeaderMap::from_iter([(CORRELATION_ID, id.to_header_value())]);
                prop_assert_eq!(CorrelationId::from_headers(&headers), Some(id));
            }
        }
    }
}
