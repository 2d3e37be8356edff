//! The last set of offers on flash, so that they are there after a power cut even while the server is not.
//!
//! What is read here was signed, and is verified again like anything that comes from outside: the file may be damaged, or
//! somebody's.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tracing::warn;
use welcome_core::Given;
use welcome_proto::signed::Signed;
use welcome_proto::{Digest, RouterId};

use crate::file::{replace, sha256};

/// The file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// SHA-256 of what it holds, so that it is written only when that changes.
    holds: Option<Digest>,
}

/// What it holds, before any of it is believed.
#[derive(Debug, Deserialize)]
pub struct Raw {
    /// To whom it was said; to another name of ours it means nothing.
    pub router: RouterId,
    /// Of the server's set, if this is all of it.
    pub revision: Option<u64>,
    /// Each perhaps a [`Signed`].
    pub offers: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct Set<'a> {
    router: &'a RouterId,
    revision: Option<u64>,
    offers: Vec<&'a Signed>,
}

impl Kept {
    /// In this directory.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join(FILE), holds: None }
    }

    /// What was kept, if anything. One that cannot be read is as good as none: the server has it.
    pub fn read(&mut self) -> Option<Raw> {
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => warn!(path = %self.path.display(), %error, "cannot read the kept offers"),
        }
        let raw = serde_json::from_slice(&text);
        let raw = raw.map_err(|error| warn!(path = %self.path.display(), %error, "the kept offers are damaged")).ok();
        self.holds = raw.is_some().then(|| sha256(&text));
        raw
    }

    /// Keeps this set in place of the former one.
    pub async fn write(&mut self, router: &RouterId, revision: Option<u64>, offers: &[Given]) {
        let offers = offers.iter().filter_map(|g| g.signed.as_deref()).collect();
        let Ok(text) = serde_json::to_vec(&Set { router, revision, offers }) else { return };
        let new = sha256(&text);
        if self.holds == Some(new) {
            return;
        }
        let path = self.path.clone();
        // Flash may take a second for it; nobody else waits for that.
        let written = spawn_blocking(move || replace(&path, &text)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => self.holds = Some(new),
            Err(error) => {
                warn!(path = %self.path.display(), %error, "cannot keep the offers; they last until the next start");
                self.holds = None;
            }
        }
    }
}

const FILE: &str = "offers.json";
/// More than a push may have.
const MAX_FILE: u64 = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use welcome_proto::offer::Sender;

    use super::super::trust::tests::{sign, trust};
    use super::*;

    #[tokio::test]
    async fn a_set_is_written_when_it_changes_and_read_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let router = trust().router;
        let given = |id: &str| {
            let offer = format!(r#"{{"id":"{id}","content":{{"title":"t"}}}}"#);
            trust().check(sign("r-1", Sender::Server, &offer)).unwrap()
        };
        let mut kept = Kept::new(dir.path());
        assert!(kept.read().is_none());
        kept.write(&router, Some(7), &[given("a")]).await;
        let inode = || fs::metadata(dir.path().join(FILE)).unwrap().ino();
        let first = inode();

        let mut again = Kept::new(dir.path());
        let raw = again.read().unwrap();
        assert_eq!((raw.router, raw.revision, raw.offers.len()), (router.clone(), Some(7), 1));
        again.write(&router, Some(7), &[given("a")]).await;
        assert_eq!(inode(), first, "flash is not worn for nothing");
        again.write(&router, Some(8), &[]).await;
        assert_ne!(inode(), first);
        assert_eq!(Kept::new(dir.path()).read().unwrap().offers.len(), 0);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "[]", r#"{"router":"../x","offers":[]}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Kept::new(dir.path()).read().is_none(), "{text}");
        }
    }
}
