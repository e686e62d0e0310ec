//! Any bytes as the body of a success: no panic, and each `UnwrapMode` decides as a second,
//! slower statement of the rules does, which has no fast path.

use std::fmt;

use civic_envelope::{ENVELOPE_HEADER, ErrorKind, UnwrapMode};
use http::{HeaderMap, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) fn run(data: &[u8]) {
    let marked = HeaderMap::from_iter([(ENVELOPE_HEADER, HeaderValue::from_static("1"))]);
    for rule in [UnwrapMode::Strict, UnwrapMode::Lenient, UnwrapMode::Raw] {
        for (is_marked, headers) in [(false, HeaderMap::new()), (true, marked.clone())] {
            let judged = rule
                .response::<Value>(&headers, data)
                .map_err(|error| error.kind());
            let payload = payload(data, rule, is_marked);
            let expected = payload.and_then(|payload| {
                serde_json::from_str::<Value>(payload.text).map_err(|_| ErrorKind::Decode)
            });
            assert_eq!(judged, expected, "{rule:?}, marked: {is_marked}");

            // The type that skips its payload: it need not be readable, but has to be JSON.
            let skipped = rule
                .response::<()>(&headers, data)
                .map_err(|error| error.kind());
            let expected = payload.and_then(|payload| {
                if payload.says_no {
                    return Err(ErrorKind::Refused);
                }
                serde_json::from_str::<&RawValue>(payload.text)
                    .map(|_| ())
                    .map_err(|_| ErrorKind::Decode)
            });
            assert_eq!(skipped, expected, "{rule:?}, marked: {is_marked}");
        }
        let bytes = rule.bytes::<Value>(data).map_err(|error| error.kind());
        let response = rule
            .response::<Value>(&HeaderMap::new(), data)
            .map_err(|error| error.kind());
        assert_eq!(bytes, response);
    }
}

/// What the caller's type is read from.
#[derive(Clone, Copy)]
struct Payload<'a> {
    text: &'a str,
    /// It is a whole body with `success:false` and no words: a type that skips it refuses it.
    says_no: bool,
}

/// Finds the payload.
fn payload(body: &[u8], rule: UnwrapMode, marked: bool) -> Result<Payload<'_>, ErrorKind> {
    let whole = |text| Payload {
        text,
        says_no: false,
    };
    let text = str::from_utf8(body).map_err(|_| ErrorKind::Decode)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let marked = marked && rule != UnwrapMode::Raw;
    if text.is_empty() {
        return if marked {
            Err(ErrorKind::Protocol)
        } else {
            Ok(whole("null"))
        };
    }
    if rule == UnwrapMode::Raw {
        return Ok(whole(text));
    }
    let is_object = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{');
    let members = match serde_json::from_str::<Members<'_>>(text) {
        Ok(Members(members)) => members,
        Err(_) if marked => return Err(ErrorKind::Protocol),
        Err(_) if is_object => return Err(ErrorKind::Decode),
        Err(_) => return Ok(whole(text)),
    };
    let all = |name: &str| -> Vec<&str> {
        let same = members.iter().filter(|(other, _)| other == name);
        same.map(|(_, value)| *value).collect()
    };
    let known = ["success", "data", "timestamp", "message", "meta"];
    let twice = known.iter().any(|name| all(name).len() > 1);
    let others = members.iter().any(|(name, _)| !known.contains(&&**name));
    let boolean = all("success")
        .iter()
        .any(|value| matches!(*value, "true" | "false"));
    let stamped = all("timestamp").iter().any(|value| value.starts_with('"'));
    if boolean && stamped {
        if twice {
            return Err(ErrorKind::Protocol);
        }
        if all("success") == ["false"] {
            return Err(ErrorKind::Refused);
        }
        if marked || !others {
            return Ok(whole(all("data").first().copied().unwrap_or("null")));
        }
    }
    if marked {
        return Err(ErrorKind::Protocol);
    }
    let success = all("success");
    let mut said = success.iter().rev();
    if said.find(|value| matches!(**value, "true" | "false")) == Some(&"false") {
        let has_words = members.iter().any(|(name, value)| {
            matches!(&**name, "message" | "error") && value.starts_with(['"', '[', '{'])
        });
        return if rule == UnwrapMode::Lenient || has_words {
            Err(ErrorKind::Refused)
        } else {
            Ok(Payload {
                text,
                says_no: true,
            })
        };
    }
    match (rule, success.is_empty(), all("data").first()) {
        (UnwrapMode::Lenient, false, Some(_)) if twice => Err(ErrorKind::Protocol),
        (UnwrapMode::Lenient, false, Some(data)) => Ok(whole(data)),
        _ => Ok(whole(text)),
    }
}

/// Every member of an object, in order.
struct Members<'a>(Vec<(String, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let name = name.get();
                    // A name with half of a surrogate pair is none of those that count.
                    let name = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
