//! What is around a database: blocks, one behind the other, and the compression of all of them together.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::Error;
use crate::deflate::deflate;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// A package.
    Package,
    /// The index of a repository.
    Index,
}

/// The blocks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What it is.
    pub schema: Schema,
    /// The database.
    pub payload: Vec<u8>,
    /// Signatures over the database, as they are stored.
    pub signatures: Vec<Vec<u8>>,
    /// The bytes of files, each behind its place in the package.
    pub data: Vec<Vec<u8>>,
}

impl Schema {
    /// Its four letters.
    #[must_use]
    pub fn magic(self) -> [u8; 4] {
        match self {
            Self::Package => *b"pckg",
            Self::Index => *b"indx",
        }
    }
}

impl Container {
    /// The file, compressed in the way that the apk of a router can read: raw deflate.
    #[must_use]
    pub fn compress(&self) -> Vec<u8> {
        [b"ADBd", &deflate(&self.encode())[..]].concat()
    }

    /// The file, not compressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = [*b"ADB.", self.schema.magic()].concat();
        let blocks = std::iter::once((ADB, &self.payload));
        let blocks = blocks.chain(self.signatures.iter().map(|s| (SIGNATURE, s)));
        for (kind, bytes) in blocks.chain(self.data.iter().map(|d| (DATA, d))) {
            let size = u32::try_from(bytes.len() + 4).ok().filter(|size| *size <= MAX_SIZE);
            let size = size.expect("files of packages are far below a gigabyte");
            file.extend_from_slice(&(kind << 30 | size).to_le_bytes());
            file.extend_from_slice(bytes);
            file.resize(file.len().next_multiple_of(8), 0);
        }
        file
    }

    /// Reads a file, compressed or not.
    ///
    /// # Errors
    /// If it is none, or longer than [`LIMIT`].
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let plain = match file.get(..4) {
            Some(b"ADBd") => inflate(&file[4..])?,
            Some(b"ADB.") if file.len() <= LIMIT => file.to_vec(),
            Some(b"ADBc") => return Err(Error::Malformed("compressed in a way that routers cannot read")),
            _ => return Err(Error::Malformed("neither a package nor an index of apk")),
        };
        let schema = match plain.get(..8) {
            Some(b"ADB.pckg") => Schema::Package,
            Some(b"ADB.indx") => Schema::Index,
            _ => return Err(Error::Malformed("neither a package nor an index of apk")),
        };
        let mut container = Self { schema, payload: Vec::new(), signatures: Vec::new(), data: Vec::new() };
        let (mut rest, mut last) = (&plain[8..], None);
        while !rest.is_empty() {
            let (kind, bytes, after) = block(rest)?;
            match kind {
                ADB if last.is_none() => container.payload = bytes.to_vec(),
                SIGNATURE if [Some(ADB), Some(SIGNATURE)].contains(&last) => container.signatures.push(bytes.to_vec()),
                DATA if last.is_some() => container.data.push(bytes.to_vec()),
                _ => return Err(Error::Malformed("a block that does not belong where it is")),
            }
            (rest, last) = (after, Some(kind));
        }
        if last.is_none() { Err(Error::Malformed("no database")) } else { Ok(container) }
    }
}

/// The first block: its kind, what is in it, and what is behind it.
fn block(bytes: &[u8]) -> Result<(u32, &[u8], &[u8]), Error> {
    let head = bytes.first_chunk::<4>().ok_or(Error::Outside("a block"))?;
    let word = u32::from_le_bytes(*head);
    let size = (word & MAX_SIZE) as usize;
    let content = bytes.get(4..size).ok_or(Error::Outside("a block"))?;
    let padded = bytes.get(size..size.next_multiple_of(8)).ok_or(Error::Outside("a block"))?;
    if padded.iter().any(|byte| *byte != 0) {
        return Err(Error::Malformed("something between two blocks"));
    }
    Ok((word >> 30, content, &bytes[size.next_multiple_of(8)..]))
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes);
    let read = decoder.by_ref().take(LIMIT as u64 + 1).read_to_end(&mut plain);
    read.map_err(|_| Error::Malformed("broken compression"))?;
    if plain.len() > LIMIT {
        return Err(Error::TooLong("the file"));
    }
    if decoder.total_in() != bytes.len() as u64 {
        return Err(Error::Malformed("something behind the end"));
    }
    Ok(plain)
}

/// How long a file may be that is read.
pub const LIMIT: usize = 64 << 20;

const ADB: u32 = 0;
const SIGNATURE: u32 = 1;
const DATA: u32 = 2;
const MAX_SIZE: u32 = 0x3fff_ffff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..40)
    }

    fn container() -> impl Strategy<Value = Container> {
        let schema = prop_oneof![Just(Schema::Package), Just(Schema::Index)];
        let many = || prop::collection::vec(bytes(), 0..3);
        (schema, bytes(), many(), many()).prop_map(|(schema, payload, signatures, data)| Container {
            schema,
            payload,
            signatures,
            data,
        })
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = [b"ADBd", &deflate(&vec![0; LIMIT + 1])[..]].concat();
        assert_eq!(Container::decode(&bomb), Err(Error::TooLong("the file")));
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(container in container()) {
            for file in [container.encode(), container.compress()] {
                prop_assert_eq!(Container::decode(&file), Ok(container.clone()));
            }
        }

        #[test]
        fn cut_and_flipped_files_are_refused_or_read_but_never_panic(container in container(), at: usize, bit in 0..8) {
            for mut file in [container.encode(), container.compress()] {
                let at = at % file.len();
                prop_assert_ne!(Container::decode(&file[..at]), Ok(container.clone()));
                file[at] ^= 1_u8 << bit;
                Container::decode(&file).ok();
            }
        }
    }
}
