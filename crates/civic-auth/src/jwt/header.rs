//! The header of a token (RFC 7515 section 4), read strictly.
//!
//! The header is one JSON object with `alg`, exactly the configured algorithm; `typ`, absent or
//! exactly `JWT`; and `kid`, absent or the id of a key in the ring. No member may be duplicated,
//! and no other member is accepted: a member that is not understood may change what the token means
//! (`crit`, `b64`, `zip`, `enc`, `cty`) or offer a key of the peer's choice (`jwk`, `jku`, `x5c`,
//! `x5u`), and the platform sends none.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::compact;
use super::json::{Text, once};
use crate::error::Cause;

/// The encoding of `{"alg":"HS256","typ":"JWT"}`, the header of nearly every token, which then need
/// not be parsed.
const COMMON: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a header says, once its form is accepted.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) key_id: Option<String>,
}

impl Header {
    /// Reads the first part of a token.
    pub(crate) fn read(part: &str) -> Result<Self, Cause> {
        if part == COMMON {
            return Ok(Self::default());
        }
        let json = compact::decode_text(part).ok_or(Cause::MalformedHeader)?;
        let members: Members<'_> =
            serde_json::from_str(&json).map_err(|_| Cause::MalformedHeader)?;
        if members.alg.is_none_or(|alg| alg.0 != "HS256") {
            return Err(Cause::WrongAlgorithm);
        }
        if members.others {
            return Err(Cause::UnsupportedHeader);
        }
        if members.typ.is_some_and(|typ| typ.0 != "JWT") {
            return Err(Cause::WrongType);
        }
        Ok(Self {
            key_id: members.kid.map(|kid| kid.0.into_owned()),
        })
    }
}

#[derive(Default)]
struct Members<'a> {
    alg: Option<Text<'a>>,
    typ: Option<Text<'a>>,
    kid: Option<Text<'a>>,
    others: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "alg" => once(&mut map, &mut members.alg, "alg")?,
                        "typ" => once(&mut map, &mut members.typ, "typ")?,
                        "kid" => once(&mut map, &mut members.kid, "kid")?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            members.others = true;
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
