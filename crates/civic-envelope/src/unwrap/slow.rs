//! The slow path: any JSON, members in any order.
//!
//! One scan over the top-level object finds the members as slices of the body, without decoding
//! them; the payload's slice is then decoded once.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::decode::decode;
use super::recognition::Recognition;
use crate::error::Error;
use crate::error_body::message_words;
use crate::wire::NULL;

pub(super) fn unwrap<'a, T: Deserialize<'a>>(
    text: &'a str,
    recognition: Recognition,
) -> Result<T, Error> {
    decode(payload(text, recognition)?)
}

/// Returns the JSON text of the payload: a part of the body, or the whole.
fn payload(text: &str, recognition: Recognition) -> Result<&str, Error> {
    let no_envelope =
        || Error::protocol("the response is marked as an envelope, but the body is not one");
    let marked = recognition == Recognition::Mark;
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        return if marked { Err(no_envelope()) } else { Ok(text) };
    }
    let members: Members<'_> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(_) if marked => return Err(no_envelope()),
        // Not passed on as a whole: a type that skips its members would accept a broken object.
        Err(error) => return Err(Error::decode(error)),
    };

    if members.has_envelope_members() {
        if members.repeated {
            return Err(Error::protocol("the envelope has a duplicate member"));
        }
        if members.success == Some("false") {
            return Err(Error::refused(members.message()));
        }
        if marked || !members.others {
            return Ok(members.data.unwrap_or(NULL));
        }
    }
    match recognition {
        Recognition::Mark => Err(no_envelope()),
        Recognition::TwoKeys => match (members.success, members.data) {
            (Some(_), Some(_)) if members.repeated => {
                Err(Error::protocol("the envelope has a duplicate member"))
            }
            (Some(_), Some(data)) => Ok(data),
            _ => Ok(text),
        },
        Recognition::Shape | Recognition::Never => Ok(text),
    }
}

/// The members of the top-level object, as slices of the body.
#[derive(Default)]
struct Members<'a> {
    success: Option<&'a str>,
    data: Option<&'a str>,
    timestamp: Option<&'a str>,
    message: Option<&'a str>,
    meta: Option<&'a str>,
    /// One of the members above is duplicated. The first one is kept, unless only a later one could
    /// make the object an envelope: which of them a reader sees depends on the reader.
    repeated: bool,
    /// There are other members.
    others: bool,
}

impl<'a> Members<'a> {
    fn has_envelope_members(&self) -> bool {
        matches!(self.success, Some("true" | "false")) && self.timestamp.is_some_and(is_string)
    }

    fn message(&self) -> Option<String> {
        message_words(&serde_json::from_str::<Value>(self.message?).ok()?)
    }

    fn keep(&mut self, key: Key, value: &'a str) {
        let (member, counts) = match key {
            Key::Success => (&mut self.success, matches!(value, "true" | "false")),
            Key::Timestamp => (&mut self.timestamp, is_string(value)),
            Key::Data => (&mut self.data, true),
            Key::Message => (&mut self.message, true),
            Key::Meta => (&mut self.meta, true),
            Key::Other => return self.others = true,
        };
        self.repeated |= member.is_some();
        if member.is_none() || counts {
            *member = Some(value);
        }
    }
}

fn is_string(json: &str) -> bool {
    json.starts_with('"')
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Other => {
                            map.next_value::<IgnoredAny>()?;
                            members.others = true;
                        }
                        key => members.keep(key, map.next_value::<&RawValue>()?.get()),
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Success,
    Data,
    Timestamp,
    Message,
    Meta,
    #[serde(other)]
    Other,
}
