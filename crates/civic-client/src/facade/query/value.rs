//! One value, or a list of values.

use serde::Serialize;
use serde::ser::{
    Error as _, Impossible, SerializeSeq, SerializeTuple, SerializeTupleStruct, Serializer,
};

use crate::facade::query::unfit::{Unfit, refuse};

/// The texts that a value is written as.
pub(super) enum Values {
    Absent,
    One(String),
    Many(Vec<String>),
}

impl Values {
    /// Appends one parameter per text.
    pub(super) fn append(self, name: &str, pairs: &mut Vec<(String, String)>) {
        match self {
            Self::Absent => {}
            Self::One(value) => pairs.push((name.to_owned(), value)),
            Self::Many(values) => {
                pairs.extend(values.into_iter().map(|value| (name.to_owned(), value)));
            }
        }
    }
}

// ===== impl ValueSerializer =====

/// Writes a value as text.
pub(super) struct ValueSerializer;

const NOT_A_VALUE: &str = "it is neither a single value nor a list of them; \
     use query_from() for a struct, and text of your own for anything nested";

macro_rules! written_as_text {
    ($($method:ident($value:ty);)*) => {
        $(fn $method(self, value: $value) -> Result<Values, Unfit> {
            Ok(Values::One(value.to_string()))
        })*
    };
}

impl Serializer for ValueSerializer {
    type Ok = Values;
    type Error = Unfit;
    type SerializeSeq = ListSerializer;
    type SerializeTuple = ListSerializer;
    type SerializeTupleStruct = ListSerializer;
    type SerializeTupleVariant = Impossible<Values, Unfit>;
    type SerializeMap = Impossible<Values, Unfit>;
    type SerializeStruct = Impossible<Values, Unfit>;
    type SerializeStructVariant = Impossible<Values, Unfit>;

    written_as_text! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
    }

    fn serialize_none(self) -> Result<Values, Unfit> {
        Ok(Values::Absent)
    }

    fn serialize_unit(self) -> Result<Values, Unfit> {
        Ok(Values::Absent)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Values, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Values, Unfit> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Values, Unfit> {
        Ok(Values::One(variant.to_owned()))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ListSerializer, Unfit> {
        Ok(ListSerializer(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<ListSerializer, Unfit> {
        Ok(ListSerializer(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ListSerializer, Unfit> {
        Ok(ListSerializer(Vec::new()))
    }

    refuse! { NOT_A_VALUE =>
        serialize_bytes(&[u8]) -> Values;
        serialize_unit_struct(&'static str) -> Values;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    refuse! { NOT_A_VALUE => generic
        serialize_newtype_variant(&'static str, u32, &'static str);
    }
}

// ===== impl ListSerializer =====

/// Writes each element of a list as text.
pub(super) struct ListSerializer(Vec<String>);

impl ListSerializer {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        match value.serialize(ValueSerializer)? {
            Values::Absent => Ok(()),
            Values::One(value) => {
                self.0.push(value);
                Ok(())
            }
            Values::Many(_) => Err(Unfit::custom("it is a list of lists")),
        }
    }
}

impl SerializeSeq for ListSerializer {
    type Ok = Values;
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.push(value)
    }

    fn end(self) -> Result<Values, Unfit> {
        Ok(Values::Many(self.0))
    }
}

impl SerializeTuple for ListSerializer {
    type Ok = Values;
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.push(value)
    }

    fn end(self) -> Result<Values, Unfit> {
        Ok(Values::Many(self.0))
    }
}

impl SerializeTupleStruct for ListSerializer {
    type Ok = Values;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.push(value)
    }

    fn end(self) -> Result<Values, Unfit> {
        Ok(Values::Many(self.0))
    }
}
