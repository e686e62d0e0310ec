//! The claims of a token, read strictly.
//!
//! The claims are one JSON object in UTF-8. No member may be duplicated, however it is spelled.
//!
//! - `userId`, `email` and `role` are present. They are strings, not empty, without control
//!   characters, which could forge lines in a log. So is `municipalityId`, unless it is absent or
//!   null.
//! - `name` is any string: people's names are not ours to judge, and it is never logged.
//! - A role is 1 to 64 characters of `[A-Za-z0-9_.:-]`.
//! - `exp` is present. `exp`, `iat` and `nbf` are JSON numbers.
//! - `iss`, `sub` and `jti`, if present, are strings, and `aud` is a string or a list of strings.
//!
//! Other members are ignored, as on Node. What the claims *mean* is decided in `verify::rules`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json::{NumericDate, Text, once};

const MAX_ROLE_CHARACTERS: usize = 64;

/// The claims that the rules look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) user_id: Cow<'static, str>,
    pub(crate) email: Cow<'static, str>,
    pub(crate) role: Cow<'static, str>,
    pub(crate) municipality_id: Option<Cow<'static, str>>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) iat: Option<NumericDate>,
    pub(crate) exp: NumericDate,
    pub(crate) nbf: Option<NumericDate>,
    pub(crate) iss: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) aud: Option<Vec<String>>,
}

impl Payload {
    /// Reads the claims. The error tells an operator what is wrong with them.
    pub(crate) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

#[derive(Default)]
struct Members<'a> {
    user_id: Option<Text<'a>>,
    email: Option<Text<'a>>,
    role: Option<Text<'a>>,
    municipality_id: Option<Option<Text<'a>>>,
    name: Option<Text<'a>>,
    iat: Option<NumericDate>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iss: Option<Text<'a>>,
    sub: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    aud: Option<Audience>,
}

impl Members<'_> {
    fn finish<E: Error>(self) -> Result<Payload, E> {
        let role = identity(self.role, "role")?;
        if role.len() > MAX_ROLE_CHARACTERS
            || !role
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
        {
            return Err(E::custom(
                "role is not 1 to 64 characters of [A-Za-z0-9_.:-]",
            ));
        }
        Ok(Payload {
            user_id: identity(self.user_id, "userId")?,
            email: identity(self.email, "email")?,
            role,
            municipality_id: self
                .municipality_id
                .flatten()
                .map(|claim| identity(Some(claim), "municipalityId"))
                .transpose()?,
            name: self
                .name
                .ok_or_else(|| E::missing_field("name"))?
                .0
                .into_owned()
                .into(),
            iat: self.iat,
            exp: self.exp.ok_or_else(|| E::missing_field("exp"))?,
            nbf: self.nbf,
            iss: self.iss.map(|iss| iss.0.into_owned()),
            jti: self.jti.map(|jti| jti.0.into_owned()),
            aud: self.aud.map(|Audience(names)| names),
        })
    }
}

fn identity<E: Error>(claim: Option<Text<'_>>, name: &'static str) -> Result<Cow<'static, str>, E> {
    let Text(value) = claim.ok_or_else(|| E::missing_field(name))?;
    if value.is_empty() {
        return Err(E::custom(format_args!("{name} is empty")));
    }
    if value.chars().any(char::is_control) {
        return Err(E::custom(format_args!(
            "{name} contains a control character"
        )));
    }
    Ok(Cow::Owned(value.into_owned()))
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PayloadVisitor;

        impl<'de> Visitor<'de> for PayloadVisitor {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
                let mut members = Members::default();
                // Stays empty, and does not allocate, for every token of the platform.
                let mut others: HashSet<Cow<'de, str>> = HashSet::new();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "userId" => once(&mut map, &mut members.user_id, "userId")?,
                        "email" => once(&mut map, &mut members.email, "email")?,
                        "role" => once(&mut map, &mut members.role, "role")?,
                        "municipalityId" => {
                            once(&mut map, &mut members.municipality_id, "municipalityId")?;
                        }
                        "name" => once(&mut map, &mut members.name, "name")?,
                        "iat" => once(&mut map, &mut members.iat, "iat")?,
                        "exp" => once(&mut map, &mut members.exp, "exp")?,
                        "nbf" => once(&mut map, &mut members.nbf, "nbf")?,
                        "iss" => once(&mut map, &mut members.iss, "iss")?,
                        "sub" => once(&mut map, &mut members.sub, "sub")?,
                        "jti" => once(&mut map, &mut members.jti, "jti")?,
                        "aud" => once(&mut map, &mut members.aud, "aud")?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            if !others.insert(name) {
                                return Err(A::Error::custom("duplicate member"));
                            }
                        }
                    }
                }
                members.finish()
            }
        }

        deserializer.deserialize_map(PayloadVisitor)
    }
}

/// `aud` of RFC 7519 section 4.1.3: one string, or several.
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudienceVisitor;

        impl<'de> Visitor<'de> for AudienceVisitor {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, name: &str) -> Result<Audience, E> {
                Ok(Audience(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Audience, A::Error> {
                let mut names = Vec::new();
                while let Some(Text(name)) = list.next_element()? {
                    names.push(name.into_owned());
                }
                if names.is_empty() {
                    Err(A::Error::invalid_length(0, &self))
                } else {
                    Ok(Audience(names))
                }
            }
        }

        deserializer.deserialize_any(AudienceVisitor)
    }
}
