//! The decoding of a payload, in which `()` accepts any value.
//!
//! In serde's JSON, only `null` is a `()`. Here, `()` says that the caller does not want the
//! payload. So any payload is skipped; it still has to be JSON.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use crate::error::Error;

/// A `T`, read through a deserializer that skips a value when asked for `()`.
struct SkipUnit<T>(T);

/// Reads the JSON text of a payload.
pub(super) fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str::<SkipUnit<T>>(text)
        .map(|payload| payload.0)
        .map_err(Error::decode)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for SkipUnit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Outermost(deserializer)).map(Self)
    }
}

/// Forwards every method but `deserialize_unit`. Values inside the payload do not pass through it.
struct Outermost<D>(D);

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Outermost<D> {
    type Error = D::Error;

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        IgnoredAny::deserialize(self.0)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    forward! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}
