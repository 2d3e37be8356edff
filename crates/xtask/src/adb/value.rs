//! The database inside of a package or an index: a root value, and behind it what it leads to. A value is 32 bits: a tag in the
//! upper four, a small number or an offset below. Objects and arrays are lists of values; slots count from 1.

use std::collections::HashMap;

use super::Error;

/// A value as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(u32);

impl Value {
    /// Nothing: also an empty string, and an object without slots.
    pub const NULL: Self = Self(0);

    fn new(tag: u32, content: usize) -> Self {
        let content = u32::try_from(content).ok().filter(|c| *c <= MAX_CONTENT);
        Self(tag << 28 | content.expect("databases are far below 256 MiB"))
    }

    fn tag(self) -> u32 {
        self.0 >> 28
    }

    fn content(self) -> usize {
        (self.0 & MAX_CONTENT) as usize
    }
}

/// Writes a database. Whatever a value leads to is written before it; what is the same is written once.
#[derive(Debug)]
pub struct Writer {
    payload: Vec<u8>,
    written: HashMap<(u32, Vec<u8>), Value>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { payload: vec![0; HEADER], written: HashMap::new() }
    }
}

impl Writer {
    /// A number.
    pub fn number(&mut self, number: u64) -> Value {
        match u32::try_from(number) {
            Ok(small) if small <= MAX_CONTENT => Value::new(TAG_INT, small as usize),
            Ok(middle) => self.store(TAG_INT32, 4, middle.to_le_bytes().to_vec()),
            Err(_) => self.store(TAG_INT64, 4, number.to_le_bytes().to_vec()),
        }
    }

    /// Bytes or text.
    pub fn blob(&mut self, bytes: &[u8]) -> Value {
        let (tag, align, bytes) = match bytes.len() {
            0 => return Value::NULL,
            length @ 1..=0xff => (TAG_BLOB8, 1, [&[length.to_le_bytes()[0]], bytes].concat()),
            length @ 0x100..=0xffff => (TAG_BLOB16, 2, [&length.to_le_bytes()[..2], bytes].concat()),
            length => (TAG_BLOB32, 4, [&length.to_le_bytes()[..4], bytes].concat()),
        };
        self.store(tag, align, bytes)
    }

    /// Bytes that are shared with nothing, because [`patch`] will change them.
    pub fn own_blob(&mut self, bytes: &[u8]) -> Value {
        let length = u8::try_from(bytes.len()).expect("only hashes are changed afterwards");
        let value = Value::new(TAG_BLOB8, self.payload.len());
        self.payload.push(length);
        self.payload.extend_from_slice(bytes);
        value
    }

    /// An object or an array; empty slots at its end are left out.
    pub fn object(&mut self, slots: &[Value]) -> Value {
        let used = slots.iter().rposition(|v| *v != Value::NULL).map_or(0, |last| last + 1);
        if used == 0 {
            return Value::NULL;
        }
        let count = u32::try_from(used + 1).expect("slots are few");
        let words = std::iter::once(count).chain(slots[..used].iter().map(|value| value.0));
        self.store(TAG_OBJECT, 4, words.flat_map(u32::to_le_bytes).collect())
    }

    /// Ends the database with its root.
    #[must_use]
    pub fn finish(mut self, root: Value) -> Vec<u8> {
        self.payload[4..HEADER].copy_from_slice(&root.0.to_le_bytes());
        self.payload
    }

    fn store(&mut self, tag: u32, align: usize, bytes: Vec<u8>) -> Value {
        let payload = &mut self.payload;
        *self.written.entry((tag, bytes)).or_insert_with_key(|(_, bytes)| {
            payload.resize(payload.len().next_multiple_of(align), 0);
            let at = payload.len();
            payload.extend_from_slice(bytes);
            Value::new(tag, at)
        })
    }
}

/// Changes the bytes of an own blob in a finished database.
pub fn patch(payload: &mut [u8], blob: Value, bytes: &[u8]) {
    let at = blob.content() + 1;
    payload[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A database that is read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    payload: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins with the root.
    ///
    /// # Errors
    /// If it is none, or of a version we do not know.
    pub fn new(payload: &'a [u8]) -> Result<(Self, Value), Error> {
        let reader = Self { payload };
        match reader.bytes(0, 4)? {
            [0, 0, 0, 0] => Ok((reader, Value(reader.word(4)?))),
            _ => Err(Error::Malformed("a database of an unknown version")),
        }
    }

    /// The number of a value; none is 0.
    ///
    /// # Errors
    /// If it is no number.
    pub fn number(&self, value: Value) -> Result<u64, Error> {
        match value.tag() {
            TAG_SPECIAL if value == Value::NULL => Ok(0),
            TAG_INT => Ok(value.content() as u64),
            TAG_INT32 => Ok(u64::from(self.word(value.content())?)),
            TAG_INT64 => {
                let low = self.word(value.content())?;
                Ok(u64::from(self.word(value.content() + 4)?) << 32 | u64::from(low))
            }
            _ => Err(Error::Malformed("something else where a number belongs")),
        }
    }

    /// The bytes of a value; none are empty.
    ///
    /// # Errors
    /// If it has none, or they lie outside.
    pub fn blob(&self, value: Value) -> Result<&'a [u8], Error> {
        let at = value.content();
        let head = match value.tag() {
            TAG_SPECIAL if value == Value::NULL => return Ok(&[]),
            TAG_BLOB8 => 1,
            TAG_BLOB16 => 2,
            TAG_BLOB32 => 4,
            _ => return Err(Error::Malformed("something else where bytes belong")),
        };
        let length = self.bytes(at, head)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        self.bytes(at + head, length)
    }

    /// The text of a value.
    ///
    /// # Errors
    /// As for [`blob`](Self::blob), and if it is not UTF-8.
    pub fn text(&self, value: Value) -> Result<&'a str, Error> {
        std::str::from_utf8(self.blob(value)?).map_err(|_| Error::Malformed("text that is not UTF-8"))
    }

    /// The slots of an object or an array.
    ///
    /// # Errors
    /// If it is none, or they lie outside.
    pub fn slots(&self, value: Value) -> Result<Slots<'a>, Error> {
        if value == Value::NULL {
            return Ok(Slots(&[]));
        }
        if ![TAG_ARRAY, TAG_OBJECT].contains(&value.tag()) || !value.content().is_multiple_of(4) {
            return Err(Error::Malformed("something else where an object belongs"));
        }
        let count = self.word(value.content())? as usize;
        let bytes = count.checked_sub(1).and_then(|slots| slots.checked_mul(4));
        let bytes = bytes.ok_or(Error::Malformed("an object without a count"))?;
        Ok(Slots(self.bytes(value.content() + 4, bytes)?))
    }

    fn word(&self, at: usize) -> Result<u32, Error> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| Error::Outside("a number"))?))
    }

    fn bytes(&self, at: usize, length: usize) -> Result<&'a [u8], Error> {
        let end = at.checked_add(length).ok_or(Error::Outside("a value"))?;
        self.payload.get(at..end).ok_or(Error::Outside("a value"))
    }
}

/// The values of an object or an array.
#[derive(Debug, Clone, Copy)]
pub struct Slots<'a>(&'a [u8]);

impl<'a> Slots<'a> {
    /// The value of a slot; one that is not there is empty.
    #[must_use]
    pub fn get(&self, slot: usize) -> Value {
        slot.checked_sub(1).and_then(|index| self.iter().nth(index)).unwrap_or(Value::NULL)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Value> + use<'a> {
        let words =
            self.0.chunks_exact(4).map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
        words.map(Value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Two numbers that must be 0, two bytes of nothing, the root.
const HEADER: usize = 8;
const MAX_CONTENT: u32 = 0x0fff_ffff;

const TAG_SPECIAL: u32 = 0;
const TAG_INT: u32 = 1;
const TAG_INT32: u32 = 2;
const TAG_INT64: u32 = 3;
const TAG_BLOB8: u32 = 8;
const TAG_BLOB16: u32 = 9;
const TAG_BLOB32: u32 = 10;
const TAG_ARRAY: u32 = 13;
const TAG_OBJECT: u32 = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_the_same_is_written_once_and_an_own_blob_never_shared() {
        let mut writer = Writer::default();
        let (a, b) = (writer.blob(b"root"), writer.blob(b"root"));
        assert_eq!(a, b);
        assert_ne!(writer.own_blob(b"root"), a);
        let object = writer.object(&[a, Value::NULL, Value::NULL]);
        assert_eq!(writer.object(&[b]), object, "empty slots at the end are nothing");
        assert_eq!(writer.object(&[Value::NULL]), Value::NULL);
    }

    proptest! {
        #[test]
        fn numbers_and_bytes_come_back(number: u64, bytes in prop::collection::vec(any::<u8>(), 0..300), long in 0_usize..70_000) {
            let mut writer = Writer::default();
            let values = [writer.number(number), writer.blob(&bytes), writer.number(number >> 33), writer.blob(&vec![7; long])];
            let root = writer.object(&values);
            let payload = writer.finish(root);
            let (reader, root) = Reader::new(&payload).unwrap();
            let slots = reader.slots(root).unwrap();
            prop_assert_eq!(reader.number(slots.get(1)).unwrap(), number);
            prop_assert_eq!(reader.blob(slots.get(2)).unwrap(), bytes);
            prop_assert_eq!(reader.number(slots.get(3)).unwrap(), number >> 33);
            prop_assert_eq!(reader.blob(slots.get(4)).unwrap().len(), long);
            prop_assert_eq!(slots.get(0), Value::NULL);
            prop_assert_eq!(slots.get(5), Value::NULL);
        }

        #[test]
        fn no_bytes_make_it_panic(payload in prop::collection::vec(any::<u8>(), 0..64), word: u32) {
            let value = Value(word);
            if let Ok((reader, root)) = Reader::new(&[&[0; 4][..], &payload].concat()) {
                for value in [value, root] {
                    let _: [bool; 3] = [reader.number(value).is_ok(), reader.text(value).is_ok(), reader.blob(value).is_ok()];
                    if let Ok(slots) = reader.slots(value) {
                        prop_assert!(slots.iter().count() == slots.len() && slots.len() <= payload.len());
                    }
                }
            }
        }
    }
}
