//! Strict reading of the two JSON objects of a token, without duplicate members.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A JSON string, borrowed where it has no escapes.
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads the value of a member that must not be duplicated.
pub(crate) fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    slot: &mut Option<T>,
    name: &'static str,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// A number of seconds since 1970, as a JSON number: `NumericDate` of RFC 7519 section 2.
///
/// A fraction is allowed, as on Node, and kept exactly. Negative numbers, years after 9999 and
/// anything that is not a number are refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumericDate(f64);

impl NumericDate {
    /// The last second of the year 9999.
    const MAX: f64 = 253_402_300_799.0;

    pub(super) fn new(seconds: f64) -> Option<Self> {
        (0.0..=Self::MAX)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// Returns the first whole second that is not before this date.
    ///
    /// Node compares whole seconds of its clock with the number, so this is the second in which the
    /// result of a comparison changes.
    pub(crate) fn ceil(self) -> u64 {
        self.0.ceil() as u64
    }

    /// Returns the whole second in which this date lies.
    pub(crate) fn floor(self) -> u64 {
        self.0.floor() as u64
    }

    /// Returns the seconds from `earlier` to this date, negative if `earlier` is later.
    pub(crate) fn seconds_since(self, earlier: Self) -> f64 {
        self.0 - earlier.0
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DateVisitor;

        impl Visitor<'_> for DateVisitor {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds between 1970 and 9999")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<NumericDate, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<NumericDate, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<NumericDate, E> {
                NumericDate::new(seconds)
                    .ok_or_else(|| E::custom("not a number of seconds between 1970 and 9999"))
            }
        }

        // Not `deserialize_any`: where an application enables `serde_json/arbitrary_precision`, it
        // would pass a number with a fraction on as an object.
        deserializer.deserialize_f64(DateVisitor)
    }
}
