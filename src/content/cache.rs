//! Files on flash, named by their SHA-256: written as a whole, believed only after a look at every byte, bounded.
//!
//! Which to keep is one plain function: [`choose`]. What is chosen is never given up for something else; of the rest
//! the one that was used longest ago goes first. The order of use is kept in memory, since writing it down would wear the
//! flash; after a start it is the order in which the files came.

use sorted::{SortedMap, SortedSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tracing::{debug, warn};
use welcome_proto::Digest;
use welcome_proto::offer::MAX_FILE;

use crate::file::sha256;

/// One directory of files.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    limit: u64,
    entries: SortedMap<Digest, Entry>,
    uses: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    length: u64,
    /// Of [`Cache::uses`], when it was used last.
    used: u64,
}

impl Cache {
    /// Looks what is there, and sweeps away what an interrupted write has left. A directory that cannot be used is an
    /// empty one; the first write will say why.
    #[must_use]
    pub fn open(dir: &Path, limit: u64) -> Self {
        let mut cache = Self { dir: dir.to_owned(), limit, entries: SortedMap::new(), uses: 0 };
        let mut found = Vec::new();
        for item in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (item.path(), item.file_name());
            let name = name.to_str().unwrap_or_default();
            let stem = name.strip_suffix(UNFINISHED);
            if stem.is_some_and(|stem| stem.parse::<Digest>().is_ok()) {
                remove(&path);
            } else if let Ok(digest) = name.parse::<Digest>()
                && let Ok(about) = item.metadata()
                && about.is_file()
            {
                found.push((about.modified().ok(), digest, about.len()));
            }
        }
        found.sort_unstable();
        for (_, digest, length) in found {
            cache.insert(digest, length);
        }
        cache
    }

    /// What is here.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.entries.keys()
    }

    /// Whether this is here, as far as one can know without a look at its bytes.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.entries.contains_key(digest)
    }

    /// The bytes. A file that is not what its name says is removed.
    pub fn read(&mut self, wanted: &Digest) -> Option<Vec<u8>> {
        self.uses += 1;
        let uses = self.uses;
        let entry = self.entries.get_mut(wanted)?;
        let path = self.dir.join(wanted.to_string());
        match read_whole(&path, wanted) {
            Ok(bytes) => {
                entry.used = uses;
                Some(bytes)
            }
            Err(error) => {
                warn!(digest = %wanted, %error, "a kept image or page is damaged; removed it");
                self.entries.remove(wanted);
                remove(&path);
                None
            }
        }
    }

    /// Makes room for `length` more bytes without touching what is `chosen`; whether there is room.
    pub fn make_room(&mut self, length: u64, chosen: &SortedSet<Digest>) -> bool {
        let mut total = self.total();
        while total + length > self.limit {
            let others = self.entries.iter().filter(|(d, _)| !chosen.contains(d));
            let Some((&digest, entry)) = others.min_by_key(|(_, e)| e.used) else { return false };
            debug!(%digest, "gave up a kept image or page");
            total -= entry.length;
            self.entries.remove(&digest);
            remove(&self.dir.join(digest.to_string()));
        }
        true
    }

    /// Where a file of this name is to be written; see [`crate::file::replace`].
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    /// Counts a file that was written.
    pub fn insert(&mut self, digest: Digest, length: u64) {
        self.uses += 1;
        self.entries.insert(digest, Entry { length, used: self.uses });
    }

    /// How many bytes there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.values().map(|e| e.length).sum()
    }

    /// How many bytes there may be.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

/// Which of the wanted files to keep, given best first, so that all of them fit together; and which do not fit.
#[must_use]
pub fn choose(wanted: &[(Digest, u32)], limit: u64) -> (SortedSet<Digest>, SortedSet<Digest>) {
    let (mut chosen, mut left_out, mut total) = (SortedSet::new(), SortedSet::new(), 0);
    for (digest, length) in wanted {
        if chosen.contains(digest) {
            continue;
        }
        if total + u64::from(*length) > limit {
            left_out.insert(*digest);
        } else {
            total += u64::from(*length);
            chosen.insert(*digest);
        }
    }
    left_out.retain(|digest| !chosen.contains(digest));
    (chosen, left_out)
}

/// The bytes of a file, if they are what its digest says.
///
/// # Errors
/// If they are not, are too many, or cannot be read.
pub fn read_whole(path: &Path, wanted: &Digest) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(u64::from(MAX_FILE) + 1).read_to_end(&mut bytes)?;
    if sha256(&bytes) == *wanted { Ok(bytes) } else { Err(io::Error::other("not what its digest says")) }
}

/// As [`crate::file::replace`] names what it has not finished.
const UNFINISHED: &str = ".new";

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %path.display(), %error, "cannot remove a kept image or page");
    }
}
