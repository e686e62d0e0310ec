//! The slow path: any JSON, members in any order.
//!
//! One scan over the top-level object finds the members as slices of the body, without decoding
//! them; the payload's slice is then decoded once.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decode::{decode, decode_unless_refused};
use super::recognition::Recognition;
use crate::error::{Error, MAX_MESSAGE_BYTES};
use crate::error_body::words;
use crate::json::{Json, JsonKind};
use crate::wire::NULL;

/// The JSON text of a payload: a part of the body, or the whole.
enum Payload<'a> {
    Value(&'a str),
    /// The whole body says `success:false` without words, and is not an envelope.
    Unsuccessful(&'a str),
}

pub(super) fn unwrap<'a, T: Deserialize<'a>>(
    text: &'a str,
    recognition: Recognition,
) -> Result<T, Error> {
    match payload(text, recognition)? {
        Payload::Value(text) => decode(text).map_err(|error| Error::decode(&error, text)),
        Payload::Unsuccessful(text) => decode_unless_refused(text),
    }
}

fn payload(text: &str, recognition: Recognition) -> Result<Payload<'_>, Error> {
    let no_envelope =
        || Error::protocol("the response is marked as an envelope, but the body is not one");
    let marked = recognition == Recognition::Mark;
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        return if marked {
            Err(no_envelope())
        } else {
            Ok(Payload::Value(text))
        };
    }
    let members: Members<'_> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(_) if marked => return Err(no_envelope()),
        // Not passed on as a whole: a type that skips its members would accept a broken object.
        Err(error) => return Err(Error::decode(&error, text)),
    };

    if members.has_envelope_members() {
        if members.repeated {
            return Err(Error::protocol("the envelope has a duplicate member"));
        }
        if members.says_no() {
            return Err(refused(text));
        }
        if marked || !members.others {
            return Ok(Payload::Value(members.data.unwrap_or(NULL)));
        }
    }
    if marked {
        return Err(no_envelope());
    }
    let lenient = recognition == Recognition::TwoKeys;
    if members.says_no() {
        return if lenient || members.reason {
            Err(refused(text))
        } else {
            Ok(Payload::Unsuccessful(text))
        };
    }
    match (members.success, members.data) {
        (Some(_), Some(_)) if lenient && members.repeated => {
            Err(Error::protocol("the envelope has a duplicate member"))
        }
        (Some(_), Some(data)) if lenient => Ok(Payload::Value(data)),
        _ => Ok(Payload::Value(text)),
    }
}

/// Makes the error of a peer that says no, with its words.
fn refused(text: &str) -> Error {
    Error::refused(words(Json::trusted(text), MAX_MESSAGE_BYTES))
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
    /// There is a `message` or an `error`, and it is a string, a list or an object.
    reason: bool,
}

impl<'a> Members<'a> {
    fn has_envelope_members(&self) -> bool {
        matches!(self.success, Some("true" | "false")) && self.timestamp.is_some_and(is_string)
    }

    fn says_no(&self) -> bool {
        self.success == Some("false")
    }

    fn keep(&mut self, key: Json<'_>, value: &'a str) {
        let reason = matches!(
            Json::trusted(value).kind(),
            JsonKind::String | JsonKind::List | JsonKind::Object
        );
        let (member, counts) = if key.is("success") {
            (&mut self.success, matches!(value, "true" | "false"))
        } else if key.is("timestamp") {
            (&mut self.timestamp, is_string(value))
        } else if key.is("data") {
            (&mut self.data, true)
        } else if key.is("message") {
            self.reason |= reason;
            (&mut self.message, true)
        } else if key.is("meta") {
            (&mut self.meta, true)
        } else {
            self.reason |= reason && key.is("error");
            self.others = true;
            return;
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
                // Not decoded: a name with half of a surrogate pair is none of those.
                while let Some(key) = map.next_key::<&RawValue>()? {
                    members.keep(
                        Json::trusted(key.get()),
                        map.next_value::<&RawValue>()?.get(),
                    );
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
