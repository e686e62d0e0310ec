//! The fields of a struct, or the entries of a map.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeMap, SerializeStruct, Serializer};

use crate::facade::query::unfit::{Unfit, refuse};
use crate::facade::query::value::{ValueSerializer, Values};

/// Writes each field of a struct, or each entry of a map, as parameters.
pub(super) struct FieldsSerializer;

const NOT_FIELDS: &str =
    "it has no fields with names; give a struct or a map, or use query() for a single parameter";

impl Serializer for FieldsSerializer {
    type Ok = Vec<(String, String)>;
    type Error = Unfit;
    type SerializeSeq = Impossible<Self::Ok, Unfit>;
    type SerializeTuple = Impossible<Self::Ok, Unfit>;
    type SerializeTupleStruct = Impossible<Self::Ok, Unfit>;
    type SerializeTupleVariant = Impossible<Self::Ok, Unfit>;
    type SerializeMap = PairsSerializer;
    type SerializeStruct = PairsSerializer;
    type SerializeStructVariant = Impossible<Self::Ok, Unfit>;

    fn serialize_none(self) -> Result<Self::Ok, Unfit> {
        Ok(Vec::new())
    }

    fn serialize_unit(self) -> Result<Self::Ok, Unfit> {
        Ok(Vec::new())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, Unfit> {
        Ok(Vec::new())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Unfit> {
        value.serialize(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<PairsSerializer, Unfit> {
        Ok(PairsSerializer::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<PairsSerializer, Unfit> {
        Ok(PairsSerializer::default())
    }

    refuse! { NOT_FIELDS =>
        serialize_bool(bool) -> Self::Ok;
        serialize_i8(i8) -> Self::Ok;
        serialize_i16(i16) -> Self::Ok;
        serialize_i32(i32) -> Self::Ok;
        serialize_i64(i64) -> Self::Ok;
        serialize_u8(u8) -> Self::Ok;
        serialize_u16(u16) -> Self::Ok;
        serialize_u32(u32) -> Self::Ok;
        serialize_u64(u64) -> Self::Ok;
        serialize_f32(f32) -> Self::Ok;
        serialize_f64(f64) -> Self::Ok;
        serialize_char(char) -> Self::Ok;
        serialize_str(&str) -> Self::Ok;
        serialize_bytes(&[u8]) -> Self::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    refuse! { NOT_FIELDS => generic
        serialize_newtype_variant(&'static str, u32, &'static str);
    }
}

/// Collects parameters, field by field.
#[derive(Default)]
pub(super) struct PairsSerializer {
    pairs: Vec<(String, String)>,
    /// The key of the entry whose value comes next.
    key: String,
}

impl PairsSerializer {
    fn push<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Unfit> {
        let values = value
            .serialize(ValueSerializer)
            .map_err(|unfit| unfit.in_field(name))?;
        values.append(name, &mut self.pairs);
        Ok(())
    }
}

impl SerializeStruct for PairsSerializer {
    type Ok = Vec<(String, String)>;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        self.push(name, value)
    }

    fn end(self) -> Result<Self::Ok, Unfit> {
        Ok(self.pairs)
    }
}

impl SerializeMap for PairsSerializer {
    type Ok = Vec<(String, String)>;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        match key.serialize(ValueSerializer)? {
            Values::One(name) => {
                self.key = name;
                Ok(())
            }
            Values::Absent | Values::Many(_) => {
                Err(Unfit::custom("the key of a map is not a single value"))
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let name = std::mem::take(&mut self.key);
        self.push(&name, value)
    }

    fn end(self) -> Result<Self::Ok, Unfit> {
        Ok(self.pairs)
    }
}
