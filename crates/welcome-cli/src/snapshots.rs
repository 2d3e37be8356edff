//! Snapshots on disk: what a directory told in advance of some regions, for when it cannot be asked.
//!
//! In: documents as they came, signed and in gzip. Out: what is shared in them. A document is verified whenever it is
//! read, so that it does not matter who had the file meanwhile; one that is cut, of another region, older than one that was
//! there before, out of date or signed by somebody else is refused by itself, and the others still count. `index.json`
//! says what there is and under which tag; it is written after the document, so that a tag never names a document that is
//! not there.

use crate::kept::{self, write};
use crate::pin::PublicKey;
use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use welcome_proto::snapshot::{self, Asked, Cell, Snapshot};

/// The snapshots of one state directory.
#[derive(Debug)]
pub struct Snapshots {
    dir: PathBuf,
    index: Index,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    /// 1.
    version: u32,
    /// Whether they are all that the directory had.
    all: bool,
    parts: Vec<Part>,
}

/// One document that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its region.
    pub cell: Cell,
    /// Which of the region's parts it is, from 0.
    pub number: u16,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What the directory called it (`ETag`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When the directory last said that it holds, in seconds of Unix time.
    pub fetched: u64,
    /// As [`Snapshot::issued`]: no older one is taken in its place.
    pub issued: u64,
    /// As [`Snapshot::expires`].
    pub expires: u64,
    /// Of the file.
    pub bytes: u64,
}

/// Why a document does not count.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not there.
    #[error("the snapshot cannot be read: {0}")]
    Missing(std::io::Error),
    /// See [`snapshot::Refused`].
    #[error(transparent)]
    Bad(#[from] snapshot::Refused),
    /// Somebody plays an old one again.
    #[error("the snapshot is older than one that was there before")]
    Older,
}

impl Snapshots {
    /// What is kept in a state directory.
    ///
    /// # Errors
    /// When the index cannot be read or is none.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let dir = state.join(DIR);
        let index = match kept::load::<Index>(&dir, INDEX, MAX_INDEX)? {
            Some(index) if index.version != 1 || index.parts.len() > MAX_PARTS => {
                bail!("the index of the kept snapshots is not one that this program wrote; `welcome fetch` replaces it")
            }
            Some(index) => index,
            None => Index { version: 1, ..Index::default() },
        };
        Ok(Self { dir, index })
    }

    /// None, for that state directory.
    #[must_use]
    pub fn none(state: &Path) -> Self {
        Self { dir: state.join(DIR), index: Index { version: 1, ..Index::default() } }
    }

    /// Every document, by region.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.index.parts
    }

    /// Whether they were all that the directory had.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.index.all
    }

    /// The regions.
    #[must_use]
    pub fn cells(&self) -> BTreeSet<Cell> {
        self.index.parts.iter().map(|part| part.cell.clone()).collect()
    }

    /// A document that is kept.
    #[must_use]
    pub fn part(&self, cell: &Cell, number: u16) -> Option<&Part> {
        self.index.parts.iter().find(|part| part.cell == *cell && part.number == number)
    }

    /// What a kept document says.
    ///
    /// # Errors
    /// When it does not count.
    pub fn read(&self, part: &Part, key: PublicKey, now: u64) -> Result<Snapshot, Refused> {
        let file = File::open(self.path(&part.cell, part.number)).map_err(Refused::Missing)?;
        let asked = Asked { cell: &part.cell, after: part.after.as_deref(), now };
        let snapshot = verified(file, asked, key)?;
        if snapshot.issued < part.issued { Err(Refused::Older) } else { Ok(snapshot) }
    }

    /// Keeps a document that has just come.
    ///
    /// # Errors
    /// When it does not count. Then the former one stays.
    pub fn accept(&self, document: &[u8], asked: Asked<'_>, number: u16, key: PublicKey) -> Result<Snapshot, Refused> {
        let snapshot = verified(document, asked, key)?;
        let newest = self.part(asked.cell, number).filter(|part| part.after.as_deref() == asked.after);
        if newest.is_some_and(|part| snapshot.issued < part.issued) { Err(Refused::Older) } else { Ok(snapshot) }
    }

    /// Writes a document that was accepted, in the place of the former one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&mut self, part: Part, document: &[u8]) -> anyhow::Result<()> {
        write(&self.dir, &name(&part.cell, part.number), document)?;
        self.hold(part);
        self.save()
    }

    /// Remembers what is known of a document, until it is saved by the next change.
    pub fn hold(&mut self, part: Part) {
        self.index.parts.retain(|other| (&other.cell, other.number) != (&part.cell, part.number));
        self.index.parts.push(part);
        self.index.parts.sort_by(|a, b| (&a.cell, a.number).cmp(&(&b.cell, b.number)));
    }

    /// Ends a fetch: nothing is kept of a region beyond its last part, of a region that is not in the directory where all
    /// were fetched, of what is out of date, and no more than there is room for; `wanted` goes last.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn tidy(&mut self, all: bool, wanted: &BTreeSet<Cell>, now: u64) -> anyhow::Result<()> {
        let mut parts = self.index.parts.clone();
        parts.retain(|part| part.expires > now && (!all || wanted.contains(&part.cell)));
        parts.sort_by_key(|part| (!wanted.contains(&part.cell), std::cmp::Reverse(part.fetched)));
        let mut room = MAX_BYTES;
        parts.retain(|part| {
            let fits = part.bytes <= room;
            room = room.saturating_sub(part.bytes);
            fits
        });
        parts.truncate(MAX_PARTS);
        parts.sort_by(|a, b| (&a.cell, a.number).cmp(&(&b.cell, b.number)));
        let gone: Vec<PathBuf> = self
            .index
            .parts
            .iter()
            .filter(|part| !parts.contains(part))
            .map(|part| self.path(&part.cell, part.number))
            .collect();
        (self.index.parts, self.index.all) = (parts, all);
        self.save()?;
        remove(gone)
    }

    /// Forgets the parts of a region from that one on.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn end(&mut self, cell: &Cell, from: u16) -> anyhow::Result<()> {
        let is_gone = |part: &Part| part.cell == *cell && part.number >= from;
        let gone: Vec<PathBuf> =
            self.index.parts.iter().filter(|part| is_gone(part)).map(|part| self.path(cell, part.number)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.index.parts.retain(|part| !is_gone(part));
        self.save()?;
        remove(gone)
    }

    /// Forgets everything: it is of another directory.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&mut self) -> anyhow::Result<()> {
        self.tidy(true, &BTreeSet::new(), u64::MAX)
    }

    fn save(&self) -> anyhow::Result<()> {
        kept::save(&self.dir, INDEX, &self.index)
    }

    fn path(&self, cell: &Cell, number: u16) -> PathBuf {
        self.dir.join(name(cell, number))
    }
}

fn verified(document: impl std::io::Read, asked: Asked<'_>, key: PublicKey) -> Result<Snapshot, snapshot::Refused> {
    snapshot::read(GzDecoder::new(document), asked, |message, signature| key.verify(message, signature))
}

/// A cell is 15 hexadecimal digits, so that this is a file's name and nothing else.
fn name(cell: &Cell, number: u16) -> String {
    format!("{cell}.{number}.gz")
}

fn remove(gone: Vec<PathBuf>) -> anyhow::Result<()> {
    for path in gone {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The directory below the state directory.
pub const DIR: &str = "snapshots";
const INDEX: &str = "index.json";
/// The most documents: each is at most 10000 networks.
pub const MAX_PARTS: usize = 512;
/// Of all documents, in gzip: ten times the list of a country.
const MAX_BYTES: u64 = 64 << 20;
/// Some 250 bytes a part.
const MAX_INDEX: u64 = 1 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use welcome_proto::lookup::ListEntry;
    use welcome_proto::signed::Signed;
    use welcome_proto::snapshot::GOOD_FOR;

    const NOW: u64 = 1_795_000_000;

    fn pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key()).parse().unwrap();
        (pair, public)
    }

    fn cell() -> Cell {
        "851f8d47fffffff".parse().unwrap()
    }

    fn document(seed: u8, cell: Cell, issued: u64) -> Vec<u8> {
        let entry: ListEntry = serde_json::from_str(
            r#"{"bssid":"02:00:00:00:00:01","ssid":"Cafe","security":"open","area":"a-1","assurance":"vouched"}"#,
        )
        .unwrap();
        let snapshot = Snapshot::of(cell, None, issued, vec![entry], None);
        let signed = Signed::make(&snapshot, |message| pair(seed).0.sign(message).as_ref().try_into().unwrap());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&serde_json::to_vec(&signed.unwrap()).unwrap()).unwrap();
        gzip.finish().unwrap()
    }

    fn asked(cell: &Cell) -> Asked<'_> {
        Asked { cell, after: None, now: NOW }
    }

    fn part(document: &[u8], issued: u64) -> Part {
        Part {
            cell: cell(),
            number: 0,
            after: None,
            etag: Some("\"1\"".to_owned()),
            fetched: NOW,
            issued,
            expires: issued + GOOD_FOR,
            bytes: document.len() as u64,
        }
    }

    #[test]
    fn a_document_comes_back_verified_and_only_its_owner_can_read_it() {
        let state = tempfile::tempdir().unwrap();
        let good = document(1, cell(), NOW - 10);
        let mut snapshots = Snapshots::open(state.path()).unwrap();
        snapshots.accept(&good, asked(&cell()), 0, pair(1).1).unwrap();
        snapshots.put(part(&good, NOW - 10), &good).unwrap();
        let snapshots = Snapshots::open(state.path()).unwrap();
        let [part] = snapshots.parts() else { panic!() };
        assert_eq!(snapshots.read(part, pair(1).1, NOW).unwrap().len(), 1);
        for file in ["snapshots/851f8d47fffffff.0.gz", "snapshots/index.json"] {
            assert_eq!(fs::metadata(state.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_lies_there_in_its_place_is_refused_by_name() {
        let state = tempfile::tempdir().unwrap();
        let good = document(1, cell(), NOW - 10);
        let mut snapshots = Snapshots::open(state.path()).unwrap();
        snapshots.put(part(&good, NOW - 10), &good).unwrap();
        let elsewhere: Cell = "85283473fffffff".parse().unwrap();
        let refused = |bytes: &[u8], now: u64| {
            fs::write(state.path().join("snapshots/851f8d47fffffff.0.gz"), bytes).unwrap();
            snapshots.read(&snapshots.parts()[0], pair(1).1, now).unwrap_err().to_string()
        };
        let cases = [
            (good[..good.len() / 2].to_vec(), NOW, "whole"),
            (Vec::new(), NOW, "whole"),
            (b"not gzip".to_vec(), NOW, "whole"),
            (document(2, cell(), NOW - 10), NOW, "not signed by this directory"),
            (document(1, elsewhere, NOW - 10), NOW, "another region"),
            (document(1, cell(), NOW - 11), NOW, "older"),
            (good.clone(), NOW + GOOD_FOR, "out of date"),
        ];
        for (bytes, now, why) in cases {
            let said = refused(&bytes, now);
            assert!(said.contains(why), "{why}: {said}");
        }
    }

    #[test]
    fn an_older_document_does_not_replace_a_newer_one() {
        let state = tempfile::tempdir().unwrap();
        let mut snapshots = Snapshots::open(state.path()).unwrap();
        let newer = document(1, cell(), NOW - 10);
        snapshots.put(part(&newer, NOW - 10), &newer).unwrap();
        let older = document(1, cell(), NOW - 20);
        assert!(matches!(snapshots.accept(&older, asked(&cell()), 0, pair(1).1), Err(Refused::Older)));
        assert!(snapshots.accept(&newer, asked(&cell()), 0, pair(1).1).is_ok());
    }

    #[test]
    fn what_is_out_of_date_or_too_much_goes_and_what_is_wanted_goes_last() {
        let state = tempfile::tempdir().unwrap();
        let mut snapshots = Snapshots::open(state.path()).unwrap();
        let kept = |cell: u64, fetched: u64, bytes: u64, expires: u64| Part {
            cell: format!("{cell:015x}").parse().unwrap(),
            fetched,
            bytes,
            expires,
            ..part(b"", NOW)
        };
        for part in [kept(1, 5, MAX_BYTES / 2, NOW + 1), kept(2, 9, MAX_BYTES / 2, NOW + 1), kept(3, 9, 1, NOW)] {
            snapshots.put(part, b"x").unwrap();
        }
        snapshots.put(kept(4, 1, 1, NOW + 1), b"x").unwrap();
        let wanted = BTreeSet::from([format!("{:015x}", 4).parse().unwrap()]);
        snapshots.tidy(false, &wanted, NOW).unwrap();
        let left: Vec<_> = snapshots.cells().iter().map(ToString::to_string).collect();
        assert_eq!(left, ["000000000000002", "000000000000004"]);
        assert_eq!(fs::read_dir(state.path().join(DIR)).unwrap().count(), 3, "two documents and the index");
        snapshots.clear().unwrap();
        assert!(Snapshots::open(state.path()).unwrap().parts().is_empty());
    }
}
