//! The header of a token (RFC 7515 section 4), read strictly.
//!
//! The header is one JSON object with `alg`, one of [`Algorithm`]; `typ`, absent or `JWT` or
//! `at+jwt` in any letters; and `kid`, absent or an id. Which of them is accepted is decided by the
//! keys.
//!
//! Refused is a member that changes what the token means (`crit`, `b64`, `zip`, `enc`) or that
//! offers a key of the peer's choice (`jwk`, `jku`, `x5c`, `x5u`). Any other member (`x5t`, `cty`)
//! need not be understood and is ignored. No member may be duplicated.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::compact;
use super::json::{Text, once};
use crate::error::Cause;
use crate::key::{Algorithm, is_key_id};

/// The encoding of `{"alg":"HS256","typ":"JWT"}`, the header of nearly every token, which then need
/// not be parsed.
const COMMON: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a header says, once its form is accepted.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// `None` after a header that could not be read.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) key_id: Option<String>,
}

impl Header {
    /// Reads the first part of a token.
    pub(crate) fn read(part: &str, expected: TokenType) -> Result<Self, Cause> {
        if part == COMMON && expected == TokenType::Access {
            return Ok(Self {
                algorithm: Some(Algorithm::Hs256),
                key_id: None,
            });
        }
        let json = compact::decode_text(part).ok_or(Cause::MalformedHeader)?;
        let members: Members<'_> =
            serde_json::from_str(&json).map_err(|_| Cause::MalformedHeader)?;
        let algorithm = members
            .alg
            .and_then(|alg| Algorithm::from_name(&alg.0))
            .ok_or(Cause::WrongAlgorithm)?;
        if members.unsupported {
            return Err(Cause::UnsupportedHeader);
        }
        if !expected.accepts(members.typ.as_ref().map(|typ| &*typ.0)) {
            return Err(Cause::WrongType);
        }
        // No key that could be configured has any other id.
        if members.kid.as_ref().is_some_and(|kid| !is_key_id(&kid.0)) {
            return Err(Cause::UnknownKey);
        }
        Ok(Self {
            algorithm: Some(algorithm),
            key_id: members.kid.map(|kid| kid.0.into_owned()),
        })
    }
}

/// What a token is for, according to its `typ`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenType {
    /// It admits its bearer: no `typ`, or that of RFC 7519 or RFC 9068.
    Access,
    /// It says on whose behalf a service calls.
    Transaction,
}

impl TokenType {
    /// Media types are compared without case (RFC 7515 section 4.1.9).
    fn accepts(self, typ: Option<&str>) -> bool {
        let is = |name: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(name));
        match self {
            Self::Access => typ.is_none() || is("JWT") || is("at+jwt"),
            Self::Transaction => is("txntoken+jwt"),
        }
    }
}

#[derive(Default)]
struct Members<'a> {
    alg: Option<Text<'a>>,
    typ: Option<Text<'a>>,
    kid: Option<Text<'a>>,
    /// There is a member that would have to be understood.
    unsupported: bool,
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
                let mut others: HashSet<Cow<'de, str>> = HashSet::new();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "alg" => once(&mut map, &mut members.alg, "alg")?,
                        "typ" => once(&mut map, &mut members.typ, "typ")?,
                        "kid" => once(&mut map, &mut members.kid, "kid")?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            members.unsupported |= matches!(
                                &*name,
                                "crit" | "b64" | "zip" | "enc" | "jwk" | "jku" | "x5c" | "x5u"
                            );
                            if !others.insert(name) {
                                return Err(A::Error::custom("duplicate member"));
                            }
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
