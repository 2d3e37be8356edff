//! Blobmsg: named values, the content of a DATA or SIGNATURE attribute.
//!
//! In: bytes from a peer that may lie; they are checked once, all of them. Out: fields and values that borrow from
//! those bytes. A field is an extended attribute: its id is the type, its payload a name (length, bytes, NUL, padding)
//! and then the value.

use std::fmt;

use bytes::Bytes;

use crate::blob::{self, Attr, Attrs, Malformed, padded};
use crate::frame::MAX_BODY;
use crate::value::{Ref, Type};

/// How deep tables and arrays may be nested. The format has no limit; whoever follows a message down needs one.
pub const MAX_DEPTH: usize = 32;

/// Named values in wire form. Checked when it comes to be, cheap to clone.
///
/// Two are equal when their bytes are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blobmsg(Bytes);

impl Blobmsg {
    /// The empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Checks `bytes`, the whole of them and at every depth. The padding may be anything: senders in C leave in it what
    /// their memory held.
    ///
    /// # Errors
    /// When a length, a type, a name or a string is not as it must be, and when it is longer than a message may be or
    /// nested deeper than [`MAX_DEPTH`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, Malformed> {
        let bytes = bytes.into();
        if bytes.len() > MAX_BODY {
            return Err(Malformed { what: "more than a message may hold", at: MAX_BODY });
        }
        check(&bytes, 0, 0)?;
        Ok(Self(bytes))
    }

    /// What the serialiser and the builder made, which they kept to the rules.
    pub(crate) fn built(bytes: Bytes) -> Self {
        debug_assert_eq!(check(&bytes, 0, 0), Ok(()));
        Self(bytes)
    }

    /// The wire form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields(Attrs::new(&self.0))
    }

    /// The first field of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Ref<'_>> {
        self.fields().get(name)
    }
}

impl fmt::Debug for Blobmsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)
    }
}

/// A named value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// Its name; names need not be unique.
    pub name: &'a [u8],
    /// Its value.
    pub value: Ref<'a>,
}

/// The fields of a table, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(Attrs<'a>);

impl<'a> Fields<'a> {
    /// The first one of this name.
    #[must_use]
    pub fn get(mut self, name: &str) -> Option<Ref<'a>> {
        self.find(|f| f.name == name.as_bytes()).map(|f| f.value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // All of it was checked, so that nothing is cut off here.
        field(self.0.next()?.ok()?).ok().map(|(field, _)| field)
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.map(|f| (String::from_utf8_lossy(f.name), f.value))).finish()
    }
}

/// What is in an array, in its order. An array's elements have no names; where a sender gave them some they are left
/// out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Elements<'a>(Fields<'a>);

impl Default for Elements<'_> {
    fn default() -> Self {
        Self(Fields(Attrs::new(&[])))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Ref<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|f| f.value)
    }
}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// Checks a list that begins at `base` of the whole.
fn check(list: &[u8], base: usize, depth: usize) -> Result<(), Malformed> {
    let mut attrs = Attrs::new(list);
    loop {
        let at = base + attrs.at();
        let Some(attr) = attrs.next() else { return Ok(()) };
        let attr = attr.map_err(|e| Malformed { at: base + e.at, ..e })?;
        let (field, value) = field(attr).map_err(|what| Malformed { what, at })?;
        if field.name.contains(&0) {
            return Err(Malformed { what: "a NUL within a name", at });
        }
        if let Ref::Table(Fields(inner)) | Ref::Array(Elements(Fields(inner))) = field.value {
            if depth == MAX_DEPTH {
                return Err(Malformed { what: "tables nested too deep", at });
            }
            check(inner.rest(), at + blob::HEADER + value, depth + 1)?;
        }
    }
}

/// Name and value of an attribute, and where in its payload the value begins. What a table or an array holds is not
/// looked at.
fn field(attr: Attr<'_>) -> Result<(Field<'_>, usize), &'static str> {
    if !attr.extended {
        return Err("a field without a name");
    }
    let (length, rest) = attr.payload.split_first_chunk().ok_or("part of a name's length")?;
    let length = usize::from(u16::from_be_bytes(*length));
    let start = name_header(length);
    if start > attr.payload.len() {
        return Err("a name that goes beyond its field");
    }
    if rest[length] != 0 {
        return Err("a name without its NUL");
    }
    let value = value(attr.id, &attr.payload[start..])?;
    Ok((Field { name: &rest[..length], value }, start))
}

fn value(id: u8, payload: &[u8]) -> Result<Ref<'_>, &'static str> {
    let wrong = |_| "a number of the wrong length";
    Ok(match Type::from_number(id).ok_or("a value of an unknown type")? {
        Type::Unspec if payload.is_empty() => Ref::Null,
        Type::Unspec => return Err("a null that has a value"),
        Type::Array => Ref::Array(Elements(Fields(Attrs::new(payload)))),
        Type::Table => Ref::Table(Fields(Attrs::new(payload))),
        Type::String => match payload {
            [text @ .., 0] => Ref::String(text),
            _ => return Err("a string without its NUL"),
        },
        Type::Int64 => Ref::Int64(i64::from_be_bytes(payload.try_into().map_err(wrong)?)),
        Type::Int32 => Ref::Int32(i32::from_be_bytes(payload.try_into().map_err(wrong)?)),
        Type::Int16 => Ref::Int16(i16::from_be_bytes(payload.try_into().map_err(wrong)?)),
        Type::Int8 => Ref::Int8(u8::from_be_bytes(payload.try_into().map_err(wrong)?)),
        Type::Double => Ref::Double(f64::from_be_bytes(payload.try_into().map_err(wrong)?)),
    })
}

/// Bytes from the beginning of a field's payload to its value: the length of the name, the name, a NUL, padding.
pub(crate) const fn name_header(name: usize) -> usize {
    padded(2 + name + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"n":1}`: INT32, a name of one letter, the value.
    const N: [u8; 12] = [0x85, 0, 0, 12, 0, 1, b'n', 0, 0, 0, 0, 1];

    #[test]
    fn a_field_is_its_name_and_its_value() {
        let message = Blobmsg::parse(N.to_vec()).unwrap();
        assert_eq!(message.fields().collect::<Vec<_>>(), [Field { name: b"n", value: Ref::Int32(1) }]);
        assert_eq!(format!("{message:?}"), r#"{"n": 1i32}"#);
        assert!(Blobmsg::parse(Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn of_a_repeated_name_the_first_is_found() {
        let mut twice = [N, N].concat();
        twice[23] = 2;
        assert_eq!(Blobmsg::parse(twice).unwrap().get("n"), Some(Ref::Int32(1)));
    }

    #[test]
    fn an_element_with_a_name_is_an_element() {
        let array = [&[0x81, 0, 0, 20, 0, 1, b'a', 0], &N[..]].concat();
        let message = Blobmsg::parse(array).unwrap();
        assert_eq!(message.get("a").unwrap().elements().collect::<Vec<_>>(), [Ref::Int32(1)]);
    }

    #[test]
    fn a_field_that_is_not_as_it_must_be_is_refused_and_told_where() {
        let refused = |bytes: &[u8]| Blobmsg::parse(bytes.to_vec()).unwrap_err().to_string();
        assert_eq!(refused(&[&N[..], &[5, 0, 0, 8, 0, 0, 0, 0]].concat()), "a field without a name at byte 12");
        assert_eq!(refused(&[0x80, 0, 0, 5, 0, 0, 0, 0]), "part of a name's length at byte 0");
        assert_eq!(refused(&[0x80, 0, 0, 8, 0, 9, b'n', 0]), "a name that goes beyond its field at byte 0");
        assert_eq!(refused(&[0x80, 0, 0, 8, 0, 1, b'n', b'n']), "a name without its NUL at byte 0");
        assert_eq!(refused(&[0x80, 0, 0, 12, 0, 2, b'n', 0, 0, 0, 0, 0]), "a NUL within a name at byte 0");
        assert_eq!(refused(&[0x80, 0, 0, 9, 0, 1, b'n', 0, 7, 0, 0, 0]), "a null that has a value at byte 0");
        assert_eq!(refused(&[0x83, 0, 0, 8, 0, 1, b'n', 0]), "a string without its NUL at byte 0");
        assert_eq!(refused(&[0x84, 0, 0, 12, 0, 1, b'n', 0, 0, 0, 0, 1]), "a number of the wrong length at byte 0");
        assert_eq!(refused(&[0x89, 0, 0, 8, 0, 1, b'n', 0]), "a value of an unknown type at byte 0");
        let inner = [&[0x82, 0, 0, 16, 0, 1, b't', 0, 0x85, 0, 0, 12, 0, 0, 0, 0], &N[4..]].concat();
        assert_eq!(refused(&inner), "an attribute that goes beyond its end at byte 8");
        assert_eq!(refused(&vec![0; MAX_BODY + 4]), "more than a message may hold at byte 1048576");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let nested = |levels: usize| {
            let mut bytes = Vec::new();
            for level in 0..levels {
                let length = (8 * (levels - level)) as u32;
                bytes.extend_from_slice(&(0x8200_0000 | length).to_be_bytes());
                bytes.extend_from_slice(&[0; 4]);
            }
            Blobmsg::parse(bytes)
        };
        assert!(nested(MAX_DEPTH).is_ok());
        assert_eq!(nested(MAX_DEPTH + 1), Err(Malformed { what: "tables nested too deep", at: 8 * MAX_DEPTH }));
        assert!(nested(100_000).is_err());
    }
}
