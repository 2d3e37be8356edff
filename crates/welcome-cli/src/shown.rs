//! What a person was shown within the last day, and where.
//!
//! In and out: `shown.json` of the state directory. It names no network and no message, only hashes of both. It is for who
//! stays: `welcome watch` does not repeat itself when a connection is lost for a moment; and it answers whether
//! somebody was at a network earlier in the day.

use crate::kept::{load, save};
use crate::verify::Message;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The memory of one state directory.
#[derive(Debug)]
pub struct ShownBefore {
    dir: PathBuf,
    file: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    /// 1.
    version: u32,
    /// When, in seconds of Unix time, by the hash.
    shown: BTreeMap<Hash, u64>,
}

/// Of a message at a place, or of a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// The same message at the same place, in the same words.
    #[must_use]
    pub fn of(place: &str, message: &Message) -> Self {
        let content = serde_json::to_string(&message.content).unwrap_or_default();
        Self::of_parts(&[place, message.sender.as_str(), message.id.as_str(), &content])
    }

    /// A place.
    #[must_use]
    pub fn of_place(place: &str) -> Self {
        Self::of_parts(&[place])
    }

    fn of_parts(parts: &[&str]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            // With their lengths, so that no two lists of parts are the same text.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Self(context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl ShownBefore {
    /// What is known at this moment. A file that is none is forgotten: the worst is that something is shown twice.
    #[must_use]
    pub fn load(dir: &Path, now: u64) -> Self {
        let file = load::<File>(dir, FILE, MAX_BYTES).unwrap_or_else(|error| {
            tracing::debug!("{error:#}");
            None
        });
        let mut file = file.filter(|file| file.version == 1).unwrap_or(File { version: 1, shown: BTreeMap::new() });
        // A clock that was set back would keep the later ones for ever.
        file.shown.retain(|_, at| *at <= now && now - *at < A_DAY);
        Self { dir: dir.to_owned(), file }
    }

    /// Whether it was there before.
    #[must_use]
    pub fn has(&self, hash: &Hash) -> bool {
        self.file.shown.contains_key(hash)
    }

    /// Remembers it; of too many the oldest is forgotten.
    pub fn add(&mut self, hash: Hash, now: u64) {
        self.file.shown.insert(hash, now);
        while self.file.shown.len() > MAX {
            let oldest = self.file.shown.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| hash.clone());
            let Some(oldest) = oldest else { return };
            self.file.shown.remove(&oldest);
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> anyhow::Result<()> {
        save(&self.dir, FILE, &self.file)
    }
}

const FILE: &str = "shown.json";
const A_DAY: u64 = 86_400;
/// More than a day has messages.
const MAX: usize = 1024;
/// Some 50 bytes each.
const MAX_BYTES: u64 = 256 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_known_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let hash = Hash::of_place("a-1");
        let mut before = ShownBefore::load(dir.path(), 1_000_000);
        assert!(!before.has(&hash));
        before.add(hash.clone(), 1_000_000);
        before.save().unwrap();
        assert!(ShownBefore::load(dir.path(), 1_000_000 + A_DAY - 1).has(&hash));
        assert!(!ShownBefore::load(dir.path(), 1_000_000 + A_DAY).has(&hash));
        assert!(!ShownBefore::load(dir.path(), 999_999).has(&hash), "a clock that was set back");
        assert!(!std::fs::read_to_string(dir.path().join(FILE)).unwrap().contains("a-1"));
    }

    #[test]
    fn no_more_than_so_many_are_known_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = ShownBefore::load(dir.path(), 0);
        for n in 0..=MAX as u64 {
            before.add(Hash::of_place(&n.to_string()), n);
        }
        assert!(!before.has(&Hash::of_place("0")) && before.has(&Hash::of_place("1")));
        before.save().unwrap();
        assert!(std::fs::metadata(dir.path().join(FILE)).unwrap().len() <= MAX_BYTES);
    }

    #[test]
    fn a_spoiled_memory_is_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(!ShownBefore::load(dir.path(), 1).has(&Hash::of_place("a")));
    }

    #[test]
    fn no_two_lists_of_parts_have_one_hash() {
        assert_ne!(Hash::of_parts(&["ab", "c"]), Hash::of_parts(&["a", "bc"]));
    }
}
