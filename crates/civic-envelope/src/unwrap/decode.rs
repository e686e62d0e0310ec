//! The decoding of a payload, in which `()` accepts any value.
//!
//! In serde's JSON, only `null` is a `()`. Here, `()` says that the caller does not want the
//! payload. So any payload is skipped; it still has to be JSON.

use std::cell::Cell;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, Visitor};

use crate::error::Error;

/// Reads the JSON text of a payload.
pub(super) fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    read(text, Unit::Skip)
}

/// Reads the JSON text of a payload that says `success:false` without any words.
///
/// A `T` that looks at the payload decides what it means; `()` would not, so it is a refusal.
pub(super) fn decode_unless_refused<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    let refused = Cell::new(false);
    read(text, Unit::Refuse(&refused)).map_err(|error| {
        if refused.get() {
            Error::refused(None)
        } else {
            Error::decode(&error, text)
        }
    })
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, unit: Unit<'_>) -> Result<T, serde_json::Error> {
    let mut inner = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Outermost {
        inner: &mut inner,
        unit,
    })?;
    inner.end()?;
    Ok(value)
}

/// What becomes of a value that is asked for as `()`.
#[derive(Clone, Copy)]
enum Unit<'r> {
    Skip,
    /// Nothing is read, and the cell says why.
    Refuse(&'r Cell<bool>),
}

/// Forwards every method but `deserialize_unit`. Values inside the payload do not pass through it.
struct Outermost<'r, D> {
    inner: D,
    unit: Unit<'r>,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Outermost<'_, D> {
    type Error = D::Error;

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.unit {
            Unit::Skip => {
                IgnoredAny::deserialize(self.inner)?;
                visitor.visit_unit()
            }
            Unit::Refuse(refused) => {
                refused.set(true);
                Err(D::Error::custom("success is false"))
            }
        }
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
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
