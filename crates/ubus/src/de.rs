//! A [`Blobmsg`] to anything that serde can deserialise.
//!
//! In: a message that was checked. Out: a value that may borrow from it. What a peer sent is not repeated in errors:
//! they go to logs, and it may be a passphrase or say who was where.

use std::collections::HashSet;
use std::fmt::Display;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Expected, Unexpected, Visitor};
use thiserror::Error;

use crate::blobmsg::{Blobmsg, Elements, Fields};
use crate::value::Ref;

/// Why a message cannot be read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}{what}")]
pub struct DecodeError {
    /// Names of a struct's fields; for what only the peer can name, a star.
    at: String,
    what: String,
}

/// Reads a message.
///
/// Senders differ in how they send the same thing, so:
///
/// - `bool` is read from 8 bits, and from 0 and 1 of any width;
/// - integers are read from any width if they fit; without sign, the bits are taken as such, so that `u32` and `u64` read
///   4294967295 from an INT32 of -1;
/// - text must be UTF-8; [`deserialize_bytes`](Deserializer::deserialize_bytes) gives any STRING;
/// - UNSPEC is `None`;
/// - of a repeated name the first one counts.
///
/// What serde itself must guess (untagged and flattened things) takes 8 bits for a `bool`.
///
/// # Errors
/// When it is not what `T` needs.
pub fn from_blobmsg<'de, T: Deserialize<'de>>(message: &'de Blobmsg) -> Result<T, DecodeError> {
    T::deserialize(Ref::Table(message.fields()))
}

impl de::Error for DecodeError {
    fn custom<T: Display>(what: T) -> Self {
        Self { at: String::new(), what: what.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::custom(format_args!("{} where {wanted} is wanted", shape(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_variant(_: &str, wanted: &'static [&'static str]) -> Self {
        Self::custom(format_args!("none of {}", wanted.join(", ")))
    }

    fn unknown_field(_: &str, wanted: &'static [&'static str]) -> Self {
        Self::custom(format_args!("a field that is none of {}", wanted.join(", ")))
    }
}

impl DecodeError {
    fn within(self, name: &str) -> Self {
        let dot = if self.at.is_empty() { ": " } else { "." };
        Self { at: format!("{name}{dot}{}", self.at), ..self }
    }
}

impl<'de> Deserializer<'de> for Ref<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Array(elements) => {
                let mut items = Items(elements);
                let value = visitor.visit_seq(&mut items)?;
                match items.0.count() {
                    0 => Ok(value),
                    more => Err(de::Error::custom(format_args!("an array with {more} elements too many"))),
                }
            }
            Self::Table(fields) => visitor.visit_map(Members::new(fields, &[])),
            Self::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_borrowed_bytes(bytes),
            },
            Self::Int64(n) => visitor.visit_i64(n),
            Self::Int32(n) => visitor.visit_i32(n),
            Self::Int16(n) => visitor.visit_i16(n),
            Self::Int8(n) => visitor.visit_bool(n != 0),
            Self::Double(n) => visitor.visit_f64(n),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.as_bool() {
            Some(is) => visitor.visit_bool(is),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    /// The visitor looks whether it fits.
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.as_i64() {
            Some(n) => visitor.visit_i64(n),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    /// The visitor looks whether it fits.
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.as_u64() {
            Some(n) => visitor.visit_u64(n),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    /// JSON and scripts send whole numbers as integers.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Self::String(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Self::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self {
            Self::Table(fields) => visitor.visit_map(Members::new(fields, known)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self {
            Self::String(_) => visitor.visit_enum(Variant { name: self, content: Self::Null }),
            Self::Table(mut fields) => match (fields.next(), fields.next()) {
                (Some(field), None) => {
                    visitor.visit_enum(Variant { name: Self::String(field.name), content: field.value })
                }
                _ => Err(de::Error::custom("a table whose one member would be a variant has none or more")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    /// Names are compared as bytes.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { char str string unit unit_struct seq tuple tuple_struct map }
}

struct Items<'de>(Elements<'de>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.0.next().map(|value| seed.deserialize(value).map_err(|e| e.within("*"))).transpose()
    }
}

/// Members of a table, without those whose name was there before.
struct Members<'de> {
    fields: Fields<'de>,
    /// The names of a struct's fields; none for a map.
    known: &'static [&'static str],
    /// Those of them that were there, by their place.
    seen: u128,
    /// A map's names that were there.
    names: HashSet<&'de [u8]>,
    /// That of the last key.
    value: Option<(&'de [u8], Ref<'de>)>,
}

impl<'de> Members<'de> {
    fn new(fields: Fields<'de>, known: &'static [&'static str]) -> Self {
        Self { fields, known, seen: 0, names: HashSet::new(), value: None }
    }

    fn is_first(&mut self, name: &'de [u8]) -> bool {
        if self.known.is_empty() {
            return self.names.insert(name);
        }
        // Unknown names may repeat: they are passed over. No struct has more fields than there are bits; for one that
        // has, a repetition is an error.
        let place = self.known.iter().position(|k| k.as_bytes() == name).unwrap_or(usize::MAX);
        let bit = u32::try_from(place).ok().and_then(|place| 1_u128.checked_shl(place)).unwrap_or(0);
        let first = self.seen & bit == 0;
        self.seen |= bit;
        first
    }
}

impl<'de> de::MapAccess<'de> for Members<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let mut fields = self.fields;
        let field = fields.find(|f| self.is_first(f.name));
        self.fields = fields;
        let Some(field) = field else { return Ok(None) };
        self.value = Some((field.name, field.value));
        seed.deserialize(Ref::String(field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (name, value) = self.value.take().expect("serde asks for the key first");
        seed.deserialize(value).map_err(|e| e.within(self.known.iter().find(|k| k.as_bytes() == name).unwrap_or(&"*")))
    }
}

/// A variant of an enum; without content it is null.
struct Variant<'de> {
    name: Ref<'de>,
    content: Ref<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DecodeError;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), DecodeError> {
        Ok((seed.deserialize(self.name)?, Content(self.content)))
    }
}

struct Content<'de>(Ref<'de>);

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

/// What was found, without saying what it says.
fn shape(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(_) | Unexpected::Char(_) => "text".into(),
        Unexpected::Bytes(_) => "text that is not UTF-8".into(),
        Unexpected::Other(_) => "something".into(),
        other => other.to_string(),
    }
}
