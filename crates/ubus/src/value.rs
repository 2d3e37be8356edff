//! One value of a [`Blobmsg`](crate::Blobmsg), as it is on the wire.

use std::fmt;

use crate::blobmsg::{Elements, Fields};

/// What a value is, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    /// Null; in an object's signature: anything.
    Unspec = 0,
    /// A list of values.
    Array = 1,
    /// Named values.
    Table = 2,
    /// Text, by custom UTF-8; some of it (an SSID) is any bytes at all.
    String = 3,
    /// 64 bits.
    Int64 = 4,
    /// 32 bits.
    Int32 = 5,
    /// 16 bits.
    Int16 = 6,
    /// 8 bits, by custom a truth value.
    Int8 = 7,
    /// A floating-point number of 64 bits.
    Double = 8,
}

impl Type {
    /// A truth value has no type of its own.
    pub const BOOL: Self = Self::Int8;

    /// The type of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        const ALL: [Type; 9] = [
            Type::Unspec,
            Type::Array,
            Type::Table,
            Type::String,
            Type::Int64,
            Type::Int32,
            Type::Int16,
            Type::Int8,
            Type::Double,
        ];
        ALL.get(usize::from(number)).copied()
    }
}

/// A value within a [`Blobmsg`](crate::Blobmsg).
///
/// The wire says how wide a number is, but not whether it has a sign: that is the reader's knowledge.
#[derive(Clone, Copy, PartialEq)]
pub enum Ref<'a> {
    /// Nothing.
    Null,
    /// A list.
    Array(Elements<'a>),
    /// Named values.
    Table(Fields<'a>),
    /// A string without the NUL at its end.
    String(&'a [u8]),
    /// 64 bits.
    Int64(i64),
    /// 32 bits.
    Int32(i32),
    /// 16 bits.
    Int16(i16),
    /// 8 bits, by custom a truth value.
    Int8(u8),
    /// A floating-point number.
    Double(f64),
}

impl<'a> Ref<'a> {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Unspec,
            Self::Array(_) => Type::Array,
            Self::Table(_) => Type::Table,
            Self::String(_) => Type::String,
            Self::Int64(_) => Type::Int64,
            Self::Int32(_) => Type::Int32,
            Self::Int16(_) => Type::Int16,
            Self::Int8(_) => Type::Int8,
            Self::Double(_) => Type::Double,
        }
    }

    /// A string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|b| std::str::from_utf8(b).ok())
    }

    /// A string, whatever its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A truth value: 8 bits, or 0 and 1 of any width, as shell scripts send it.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match (self, self.as_i64()?) {
            (Self::Int8(_), n) => Some(n != 0),
            (_, 0) => Some(false),
            (_, 1) => Some(true),
            _ => None,
        }
    }

    /// A whole number of any width, with its sign.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int64(n) => Some(n),
            Self::Int32(n) => Some(n.into()),
            Self::Int16(n) => Some(n.into()),
            Self::Int8(n) => Some(n.into()),
            _ => None,
        }
    }

    /// A whole number of any width, its bits taken as one without sign.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Int64(n) => Some(n.cast_unsigned()),
            Self::Int32(n) => Some(n.cast_unsigned().into()),
            Self::Int16(n) => Some(n.cast_unsigned().into()),
            Self::Int8(n) => Some(n.into()),
            _ => None,
        }
    }

    /// As [`as_u64`](Self::as_u64), when it fits: object ids travel as 32 bits.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.as_u64().and_then(|n| n.try_into().ok())
    }

    /// A floating-point number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Double(n) => Some(n),
            _ => None,
        }
    }

    /// The first member of this name, of a table.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Ref<'a>> {
        match self {
            Self::Table(fields) => fields.get(name),
            _ => None,
        }
    }

    /// What is in an array; nothing when it is none.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        match *self {
            Self::Array(elements) => elements,
            _ => Elements::default(),
        }
    }
}

impl fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Array(elements) => elements.fmt(f),
            Self::Table(fields) => fields.fmt(f),
            Self::String(text) => String::from_utf8_lossy(text).fmt(f),
            Self::Int64(n) => write!(f, "{n}i64"),
            Self::Int32(n) => write!(f, "{n}i32"),
            Self::Int16(n) => write!(f, "{n}i16"),
            Self::Int8(n) => write!(f, "{n}u8"),
            Self::Double(n) => write!(f, "{n}f64"),
        }
    }
}

impl<'a> From<&'a str> for Ref<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Ref<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<&'a [u8]> for Ref<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::String(bytes)
    }
}

impl From<bool> for Ref<'_> {
    fn from(is: bool) -> Self {
        Self::Int8(is.into())
    }
}

impl From<i16> for Ref<'_> {
    fn from(n: i16) -> Self {
        Self::Int16(n)
    }
}

impl From<i32> for Ref<'_> {
    fn from(n: i32) -> Self {
        Self::Int32(n)
    }
}

impl From<i64> for Ref<'_> {
    fn from(n: i64) -> Self {
        Self::Int64(n)
    }
}

impl From<f64> for Ref<'_> {
    fn from(n: f64) -> Self {
        Self::Double(n)
    }
}
