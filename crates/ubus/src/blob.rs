//! Blobs: the attributes that everything on ubus is made of.
//!
//! In: bytes from a peer that may lie. Out: attributes that lie within those bytes, or where and why not. Nothing is
//! copied. Lengths are 24 bits wide, so that no sum of them overflows, on 32-bit processors neither.

use thiserror::Error;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where, counted from the beginning of what was read.
    pub at: usize,
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// What it is: 0 to 127.
    pub id: u8,
    /// Whether a name precedes the value, see [`Blobmsg`](crate::Blobmsg).
    pub extended: bool,
    /// Its content, without the padding.
    pub payload: &'a [u8],
}

/// Attributes one after the other. After an error it is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attrs<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Attrs<'a> {
    /// Those in `bytes`, which must hold nothing else.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// What is still to be read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Where the next one begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn read(&self) -> Result<(Attr<'a>, usize), &'static str> {
        let (header, _) = self.rest.split_first_chunk().ok_or("part of an attribute's header")?;
        let header = u32::from_be_bytes(*header);
        let length = (header & LENGTH) as usize;
        if length < HEADER {
            return Err("an attribute shorter than its header");
        }
        // C reads no attribute whose padding is missing, and neither do we.
        if padded(length) > self.rest.len() {
            return Err("an attribute that goes beyond its end");
        }
        let id = (header >> 24) as u8 & ID;
        Ok((Attr { id, extended: header & EXTENDED != 0, payload: &self.rest[HEADER..length] }, padded(length)))
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match self.read() {
            Ok((attr, length)) => {
                self.rest = &self.rest[length..];
                self.at += length;
                Some(Ok(attr))
            }
            Err(what) => {
                self.rest = &[];
                Some(Err(Malformed { what, at: self.at }))
            }
        }
    }
}

/// Appends an attribute.
pub(crate) fn put(out: &mut Vec<u8>, id: u8, payload: &[u8]) {
    let start = begin(out, id, false);
    out.extend_from_slice(payload);
    end(out, start);
}

/// Begins an attribute whose payload is to be appended; the result is for [`end`].
pub(crate) fn begin(out: &mut Vec<u8>, id: u8, extended: bool) -> usize {
    let start = out.len();
    let extended = if extended { EXTENDED } else { 0 };
    out.extend_from_slice(&(extended | u32::from(id & ID) << 24).to_be_bytes());
    start
}

/// Ends it: its length becomes known, and it is padded. A length that does not fit is cut off; but before that the whole
/// is longer than a message may be, which is for the caller to find.
pub(crate) fn end(out: &mut Vec<u8>, start: usize) {
    let length = (out.len() - start) as u32 & LENGTH;
    out[start + 1..start + HEADER].copy_from_slice(&length.to_be_bytes()[1..]);
    pad(out);
}

/// Zeros up to the next multiple of four.
pub(crate) fn pad(out: &mut Vec<u8>) {
    out.resize(padded(out.len()), 0);
}

/// Rounded up to a multiple of four.
pub(crate) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

/// Bytes of an attribute's header.
pub(crate) const HEADER: usize = 4;
const EXTENDED: u32 = 1 << 31;
const ID: u8 = 0x7f;
const LENGTH: u32 = 0xff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_may_be_anything_but_must_be_there() {
        let bytes = [3, 0, 0, 5, 7, 0xde, 0xad, 0xbe, 0x82, 0, 0, 4];
        let attrs: Vec<_> = Attrs::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(
            attrs,
            [Attr { id: 3, extended: false, payload: &[7] }, Attr { id: 2, extended: true, payload: &[] }]
        );
        let cut = Malformed { what: "an attribute that goes beyond its end", at: 0 };
        assert_eq!(Attrs::new(&bytes[..7]).collect::<Vec<_>>(), [Err(cut)]);
    }

    #[test]
    fn a_length_that_lies_ends_the_list_where_it_is() {
        for lie in [0, 3, 9, LENGTH] {
            let mut bytes = vec![1, 0, 0, 4];
            bytes.extend_from_slice(&lie.to_be_bytes());
            bytes.extend_from_slice(&[1, 0, 0, 4]);
            let attrs: Vec<_> = Attrs::new(&bytes).collect();
            assert_eq!(attrs.len(), 2, "{lie}");
            assert_eq!(attrs[1].unwrap_err().at, 4, "{lie}");
        }
    }
}
