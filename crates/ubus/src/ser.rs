//! Anything that serde can serialise, to a [`Blobmsg`].
//!
//! In: a struct, a map, or an enum's variant with content. Out: its members in their order.

use std::fmt::Display;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{self, Serializer};

use crate::blob::Attrs;
use crate::blobmsg::{Blobmsg, MAX_DEPTH, name_header};
use crate::builder::{EncodeError, Encoder};
use crate::value::{Ref, Type};

/// Makes a message of a struct or a map.
///
/// | in Rust | on the wire |
/// |--|--|
/// | `bool` | INT8 |
/// | integers | INT32 where they fit, as ubus' own programs expect it, otherwise INT64 |
/// | `f32`, `f64` | DOUBLE |
/// | text, `char`, bytes, an enum's variant without content | STRING |
/// | `None`, `()` | UNSPEC |
/// | sequences, tuples | ARRAY |
/// | maps whose keys are text, structs | TABLE |
/// | an enum's variant with content | TABLE with one member: the variant's name and the content |
///
/// # Errors
/// When it is no table, has numbers beyond 64 bits with sign, keys that are no text, or is too long or nested too deep.
pub fn to_blobmsg<T: Serialize + ?Sized>(value: &T) -> Result<Blobmsg, EncodeError> {
    // What a field without a name would hold.
    nameless(value, Type::Table, MAX_DEPTH + 1)?
        .map(Blobmsg::built)
        .ok_or_else(|| EncodeError::Unsupported("no table: only structs and maps can be sent".into()))
}

/// What a field without a name holds, if it is of this type.
fn nameless<T: Serialize + ?Sized>(value: &T, kind: Type, levels: usize) -> Result<Option<Bytes>, EncodeError> {
    let mut out = Encoder::new(levels);
    value.serialize(Writer { out: &mut out, name: b"" })?;
    let field = Bytes::from(out.out);
    Ok(match Attrs::new(&field).next() {
        Some(Ok(attr)) if attr.id == kind as u8 => Some(field.slice_ref(&attr.payload[name_header(0)..])),
        _ => None,
    })
}

impl ser::Error for EncodeError {
    fn custom<T: Display>(what: T) -> Self {
        Self::Unsupported(what.to_string())
    }
}

/// Appends one field.
struct Writer<'a> {
    out: &'a mut Encoder,
    name: &'a [u8],
}

impl<'a> Writer<'a> {
    fn put(self, value: Ref<'_>) -> Result<(), EncodeError> {
        self.out.put(self.name, value)
    }

    fn integer(self, n: i64) -> Result<(), EncodeError> {
        self.put(i32::try_from(n).map_or(Ref::Int64(n), Ref::Int32))
    }

    fn open(self, kind: Type) -> Result<Nested<'a>, EncodeError> {
        let start = self.out.open(self.name, kind)?;
        Ok(Nested { out: self.out, outer: None, start, key: Bytes::new() })
    }

    /// A variant with content is a table of one member.
    fn open_variant(self, variant: &'static str, kind: Type) -> Result<Nested<'a>, EncodeError> {
        let outer = Some(self.out.open(self.name, Type::Table)?);
        let start = self.out.open(variant.as_bytes(), kind)?;
        Ok(Nested { out: self.out, outer, start, key: Bytes::new() })
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Nested<'a>;
    type SerializeTuple = Nested<'a>;
    type SerializeTupleStruct = Nested<'a>;
    type SerializeTupleVariant = Nested<'a>;
    type SerializeMap = Nested<'a>;
    type SerializeStruct = Nested<'a>;
    type SerializeStructVariant = Nested<'a>;

    fn serialize_bool(self, v: bool) -> Result<(), EncodeError> {
        self.put(v.into())
    }

    fn serialize_i8(self, v: i8) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_i16(self, v: i16) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_i32(self, v: i32) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_i64(self, v: i64) -> Result<(), EncodeError> {
        self.integer(v)
    }

    fn serialize_u8(self, v: u8) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_u16(self, v: u16) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_u32(self, v: u32) -> Result<(), EncodeError> {
        self.integer(v.into())
    }

    fn serialize_u64(self, v: u64) -> Result<(), EncodeError> {
        self.integer(v.try_into().map_err(|_| EncodeError::number())?)
    }

    fn serialize_f32(self, v: f32) -> Result<(), EncodeError> {
        self.put(Ref::Double(v.into()))
    }

    fn serialize_f64(self, v: f64) -> Result<(), EncodeError> {
        self.put(v.into())
    }

    fn serialize_char(self, v: char) -> Result<(), EncodeError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Result<(), EncodeError> {
        self.put(v.into())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), EncodeError> {
        self.put(v.into())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.put(Ref::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.put(Ref::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.put(Ref::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), EncodeError> {
        self.put(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let mut table = self.open(Type::Table)?;
        table.member(variant.as_bytes(), value)?;
        table.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Nested<'a>, EncodeError> {
        self.open(Type::Array)
    }

    fn serialize_tuple(self, _: usize) -> Result<Nested<'a>, EncodeError> {
        self.open(Type::Array)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested<'a>, EncodeError> {
        self.open(Type::Array)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Nested<'a>, EncodeError> {
        self.open_variant(variant, Type::Array)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Nested<'a>, EncodeError> {
        self.open(Type::Table)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Nested<'a>, EncodeError> {
        self.open(Type::Table)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Nested<'a>, EncodeError> {
        self.open_variant(variant, Type::Table)
    }
}

/// An open table or array.
struct Nested<'a> {
    out: &'a mut Encoder,
    /// The table around a variant's content.
    outer: Option<usize>,
    start: usize,
    /// Of a map: the key whose value comes next.
    key: Bytes,
}

impl Nested<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &[u8], value: &T) -> Result<(), EncodeError> {
        value.serialize(Writer { out: self.out, name })
    }

    fn close(self) -> Result<(), EncodeError> {
        self.out.close(self.start);
        if let Some(outer) = self.outer {
            self.out.close(outer);
        }
        Ok(())
    }
}

impl ser::SerializeSeq for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.member(b"", value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeTuple for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.member(b"", value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.member(b"", value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeTupleVariant for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.member(b"", value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeMap for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    /// A key is whatever would be a STRING as a value.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let text = nameless(key, Type::String, 1)?;
        let mut text = text.ok_or_else(|| EncodeError::Unsupported("a key that is no text".into()))?;
        // Without its NUL.
        text.truncate(text.len() - 1);
        self.key = text;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = std::mem::take(&mut self.key);
        self.member(&key, value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeStruct for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        self.member(name.as_bytes(), value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Nested<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        self.member(name.as_bytes(), value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}
