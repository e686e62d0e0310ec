//! The correlation id: one name for everything that one request causes.
//!
//! An id has 1 to 128 characters of `[A-Za-z0-9._:#/=+@~-]`. It ends up in the logs and the headers
//! of other services, so it must not carry line breaks, be of any length, or be two ids at once.
//! Kong's `uuid#counter` is such an id and passes unchanged.
//!
//! This crate only says what an id is. A new one is made by `civic_auth::new_correlation_id`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// The header that carries the correlation id: `X-Correlation-Id`.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The length of the longest id that is accepted.
const MAX_CHARACTERS: usize = 128;

/// A checked correlation id.
///
/// It has 1 to 128 characters of `[A-Za-z0-9._:#/=+@~-]`. Cloning it is cheap.
///
/// ```
/// use civic_envelope::CorrelationId;
///
/// let id = CorrelationId::parse("3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7")?;
/// assert_eq!(id.as_str(), "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7");
/// assert!(CorrelationId::parse("two words").is_err());
/// # Ok::<(), civic_envelope::InvalidCorrelationId>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct CorrelationId(Arc<str>);

/// The error of a text that is not 1 to 128 characters of `[A-Za-z0-9._:#/=+@~-]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidCorrelationId(());

// ===== impl CorrelationId =====

impl CorrelationId {
    /// Checks an id that came from elsewhere.
    ///
    /// # Errors
    ///
    /// [`InvalidCorrelationId`] unless it has 1 to 128 characters of `[A-Za-z0-9._:#/=+@~-]`.
    pub fn parse(id: &str) -> Result<Self, InvalidCorrelationId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:#/=+@~-".contains(&byte);
        if (1..=MAX_CHARACTERS).contains(&id.len()) && id.bytes().all(allowed) {
            Ok(Self(id.into()))
        } else {
            Err(InvalidCorrelationId(()))
        }
    }

    /// Returns the id that these headers carry.
    ///
    /// `None` unless there is exactly one [`CORRELATION_ID`] header and its value is valid.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CORRELATION_ID).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.to_str().ok()?).ok()
    }

    /// Returns the id of a request: the one in its extensions, or else a valid one in its header.
    ///
    /// Inside a service, `civic_auth::RequestContext::correlation_id_for` also finds the id of the
    /// request that is being served.
    #[must_use]
    pub fn of_request(headers: &HeaderMap, extensions: &Extensions) -> Option<Self> {
        extensions
            .get()
            .cloned()
            .or_else(|| Self::from_headers(headers))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id as the value of a header.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("every character of an id is allowed in a header")
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

impl<'de> Deserialize<'de> for CorrelationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&id).map_err(D::Error::custom)
    }
}

// ===== impl InvalidCorrelationId =====

impl fmt::Display for InvalidCorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a correlation id must be 1 to 128 characters of [A-Za-z0-9._:#/=+@~-]")
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
    }

    #[test]
    fn every_ascii_character_is_allowed_or_refused_as_the_rule_says() {
        const ALLOWED: &str =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:#/=+@~-";
        for character in (0..=127_u8).map(char::from) {
            assert_eq!(
                CorrelationId::parse(&format!("a{character}")).is_ok(),
                ALLOWED.contains(character),
                "{character:?}"
            );
        }
        for id in ["é", "a\u{2028}", "ａ"] {
            assert!(CorrelationId::parse(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn kongs_uuid_with_a_counter_passes_unchanged() {
        let id = "2e9a6ef5-3f10-4e0e-a53c-1d4ed3a8a0a5#123";
        assert_eq!(CorrelationId::parse(id).unwrap().as_str(), id);
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

    #[test]
    fn the_id_in_the_extensions_wins_over_the_header() {
        let id = |text| CorrelationId::parse(text).unwrap();
        let (mut headers, mut extensions) = (HeaderMap::new(), Extensions::new());
        assert_eq!(CorrelationId::of_request(&headers, &extensions), None);
        headers.insert(CORRELATION_ID, HeaderValue::from_static("header"));
        assert_eq!(
            CorrelationId::of_request(&headers, &extensions),
            Some(id("header"))
        );
        extensions.insert(id("extension"));
        assert_eq!(
            CorrelationId::of_request(&headers, &extensions),
            Some(id("extension"))
        );
    }

    #[test]
    fn json_holds_an_id_as_a_string_and_an_invalid_one_is_refused() {
        let id: CorrelationId = serde_json::from_str(r#""req\u002d1""#).unwrap();
        assert_eq!(id.as_str(), "req-1");
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""req-1""#);
        for json in [r#""""#, r#""a b""#, "7", "null"] {
            assert!(
                serde_json::from_str::<CorrelationId>(json).is_err(),
                "{json}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_accepted_id_is_a_header_value_and_comes_back_from_it(id in "[A-Za-z0-9._:#/=+@~ -]{0,140}") {
            if let Ok(id) = CorrelationId::parse(&id) {
                let headers = HeaderMap::from_iter([(CORRELATION_ID, id.to_header_value())]);
                prop_assert_eq!(CorrelationId::from_headers(&headers), Some(id));
            }
        }
    }
}
