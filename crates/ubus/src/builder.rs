//! Builds a [`Blobmsg`] value by value, where the exact types matter.
//!
//! In: names and values. Out: a [`Blobmsg`] that keeps to the rules. The first mistake is remembered and told by
//! [`Builder::finish`]; what comes after it is not built any more.

use thiserror::Error;

use crate::blob;
use crate::blobmsg::{Blobmsg, MAX_DEPTH, name_header};
use crate::frame::MAX_BODY;
use crate::value::{Ref, Type};

/// Why something cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// ubusd ends the connection of who sends more.
    #[error("longer than the 1 MiB of a message")]
    TooLong,
    /// A reader would refuse it, we do.
    #[error("tables nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A name is longer than 65535 bytes, or has a NUL, at which a reader in C would end it.
    #[error("a name too long or with a NUL")]
    Name,
    /// A value that has no form on the wire.
    #[error("{0}")]
    Unsupported(String),
}

impl EncodeError {
    /// An integer beyond what 64 bits hold.
    pub(crate) fn number() -> Self {
        Self::Unsupported("a number beyond 63 bits and a sign".into())
    }
}

/// Builds a [`Blobmsg`].
///
/// ```
/// use tokio_ubus::{Builder, Ref};
///
/// let mut message = Builder::new();
/// message.push("ssid", "Café").push("hidden", false).push("channel", Ref::Int16(36));
/// message.array("rates", |rates| {
///     rates.push("", 54).push("", 300);
/// });
/// let message = message.finish()?;
/// assert_eq!(message.get("channel").and_then(|v| v.as_u32()), Some(36));
/// # Ok::<(), tokio_ubus::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    encoder: Encoder,
    error: Option<EncodeError>,
}

impl Builder {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self { encoder: Encoder::new(MAX_DEPTH), error: None }
    }

    /// Appends a value. In an array the name is to be empty.
    pub fn push<'a>(&mut self, name: impl AsRef<[u8]>, value: impl Into<Ref<'a>>) -> &mut Self {
        if self.error.is_none() {
            self.error = self.encoder.put(name.as_ref(), value.into()).err();
        }
        self
    }

    /// Appends a table, which `fill` fills.
    pub fn table(&mut self, name: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest(name.as_ref(), Type::Table, fill)
    }

    /// Appends an array, which `fill` fills with values whose names are empty.
    pub fn array(&mut self, name: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest(name.as_ref(), Type::Array, fill)
    }

    /// What was built.
    ///
    /// # Errors
    /// The first mistake that was made.
    pub fn finish(self) -> Result<Blobmsg, EncodeError> {
        self.error.map_or_else(|| Ok(Blobmsg::built(self.encoder.out.into())), Err)
    }

    fn nest(&mut self, name: &[u8], kind: Type, fill: impl FnOnce(&mut Self)) -> &mut Self {
        if self.error.is_none() {
            match self.encoder.open(name, kind) {
                Ok(start) => {
                    fill(self);
                    self.encoder.close(start);
                }
                Err(error) => self.error = Some(error),
            }
        }
        self
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// What the builder and the serialisers have in common. Nothing of it may be used after an error.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) out: Vec<u8>,
    /// How many tables may still be opened, one in another.
    levels: usize,
}

impl Encoder {
    pub(crate) fn new(levels: usize) -> Self {
        Self { out: Vec::new(), levels }
    }

    /// Appends a value. It calls itself as often as tables are nested, which is seldom in a [`Blobmsg`].
    pub(crate) fn put(&mut self, name: &[u8], value: Ref<'_>) -> Result<(), EncodeError> {
        let kind = value.kind();
        match value {
            Ref::Null => self.leaf(name, kind, b"", b""),
            Ref::String(text) => self.leaf(name, kind, text, b"\0"),
            Ref::Int64(n) => self.leaf(name, kind, &n.to_be_bytes(), b""),
            Ref::Int32(n) => self.leaf(name, kind, &n.to_be_bytes(), b""),
            Ref::Int16(n) => self.leaf(name, kind, &n.to_be_bytes(), b""),
            Ref::Int8(n) => self.leaf(name, kind, &n.to_be_bytes(), b""),
            Ref::Double(n) => self.leaf(name, kind, &n.to_be_bytes(), b""),
            Ref::Array(mut elements) => {
                let start = self.open(name, kind)?;
                elements.try_for_each(|e| self.put(b"", e))?;
                self.close(start);
                Ok(())
            }
            Ref::Table(mut fields) => {
                let start = self.open(name, kind)?;
                fields.try_for_each(|f| self.put(f.name, f.value))?;
                self.close(start);
                Ok(())
            }
        }
    }

    /// Opens a table or an array; the result is for [`close`](Self::close).
    pub(crate) fn open(&mut self, name: &[u8], kind: Type) -> Result<usize, EncodeError> {
        self.levels = self.levels.checked_sub(1).ok_or(EncodeError::TooDeep)?;
        self.begin(name, kind, 0)
    }

    /// Closes what was opened there.
    pub(crate) fn close(&mut self, start: usize) {
        self.levels += 1;
        blob::end(&mut self.out, start);
    }

    fn leaf(&mut self, name: &[u8], kind: Type, payload: &[u8], end: &[u8]) -> Result<(), EncodeError> {
        let start = self.begin(name, kind, payload.len() + end.len())?;
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(end);
        blob::end(&mut self.out, start);
        Ok(())
    }

    /// Everything of a field that precedes its value, when there is room for the value.
    fn begin(&mut self, name: &[u8], kind: Type, value: usize) -> Result<usize, EncodeError> {
        let length = u16::try_from(name.len()).map_err(|_| EncodeError::Name)?;
        if name.contains(&0) {
            return Err(EncodeError::Name);
        }
        if self.out.len() + blob::HEADER + name_header(name.len()) + value > MAX_BODY {
            return Err(EncodeError::TooLong);
        }
        let start = blob::begin(&mut self.out, kind as u8, true);
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(name);
        self.out.push(0);
        blob::pad(&mut self.out);
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_form() {
        let mut out = Builder::new();
        out.push("", Ref::Null).push("a", "x").push("ab", true).push("abcde", 1_i16).push("abcdef", -2);
        out.push("", 3_i64).push("", 0.5).array("", |_| ()).table("t", |t| {
            t.push("", Ref::Int8(200));
        });
        let wire: [&[u8]; 9] = [
            &[0x80, 0, 0, 8, 0, 0, 0, 0],
            &[0x83, 0, 0, 10, 0, 1, b'a', 0, b'x', 0, 0, 0],
            &[0x87, 0, 0, 13, 0, 2, b'a', b'b', 0, 0, 0, 0, 1, 0, 0, 0],
            &[0x86, 0, 0, 14, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 1, 0, 0],
            &[0x85, 0, 0, 20, 0, 6, b'a', b'b', b'c', b'd', b'e', b'f', 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe],
            &[0x84, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0x88, 0, 0, 16, 0, 0, 0, 0, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
            &[0x81, 0, 0, 8, 0, 0, 0, 0],
            &[0x82, 0, 0, 20, 0, 1, b't', 0, 0x87, 0, 0, 9, 0, 0, 0, 0, 200, 0, 0, 0],
        ];
        assert_eq!(out.finish().unwrap().as_bytes(), wire.concat());
    }

    #[test]
    fn a_name_is_as_long_as_its_length_can_say() {
        let longest = "n".repeat(65_535);
        assert!(Builder::new().push(&longest, 1).error.is_none());
        assert_eq!(Builder::new().push(longest + "n", 1).error, Some(EncodeError::Name));
        assert_eq!(Builder::new().push("n\0", 1).error, Some(EncodeError::Name));
    }

    #[test]
    fn no_more_is_built_than_a_message_may_hold() {
        let text = vec![b'x'; MAX_BODY - 9];
        assert_eq!(Builder::new().push("", &text[..]).encoder.out.len(), MAX_BODY);
        let mut out = Builder::new();
        out.push("", &text[..]).push("", Ref::Null).push("n\0", "");
        assert_eq!((out.encoder.out.len(), out.finish()), (MAX_BODY, Err(EncodeError::TooLong)));
    }

    #[test]
    fn tables_are_nested_no_deeper_than_is_read() {
        fn nest(out: &mut Builder, levels: usize) {
            if levels > 0 {
                out.table("t", |t| nest(t, levels - 1));
            }
        }
        let nested = |levels| {
            let mut out = Builder::new();
            nest(&mut out, levels);
            out.finish()
        };
        let deepest = nested(MAX_DEPTH).unwrap();
        assert_eq!(nested(MAX_DEPTH + 1), Err(EncodeError::TooDeep));
        let mut around = Builder::new();
        around.table("around", |t| {
            t.push("t", deepest.get("t").unwrap());
        });
        assert_eq!(around.finish(), Err(EncodeError::TooDeep));
    }
}
