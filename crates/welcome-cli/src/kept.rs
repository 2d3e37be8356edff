//! The files of the state directory, and the list of what was looked up among them.
//!
//! In and out: a [`Kept`] list, for when the directory cannot be reached. The list holds keys: only its owner may read it, and it is
//! replaced as a whole or not at all. What is read back is checked like anything from outside.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use welcome_proto::lookup::ListEntry;
use welcome_proto::snapshot::GOOD_FOR;

/// A list, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// 1.
    pub version: u32,
    /// When it was fetched, in seconds of Unix time.
    pub fetched: u64,
    /// The directory it is from, with the query.
    pub from: String,
    /// What the directory called this state of the list (`ETag`), if it came in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The networks.
    pub entries: Vec<ListEntry>,
}

impl Kept {
    /// Reads the kept list; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is no list.
    pub fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        let Some(kept) = load::<Self>(dir, FILE, MAX_BYTES)? else { return Ok(None) };
        if kept.version != 1 || kept.entries.len() > MAX_ENTRIES {
            bail!("the kept list is not one that this program wrote; `welcome fetch` replaces it");
        }
        Ok(Some(kept))
    }

    /// Whether it still counts: as long as a snapshot would, since nobody says that it was withdrawn.
    #[must_use]
    pub fn is_good(&self, now: u64) -> bool {
        now.saturating_sub(self.fetched) < GOOD_FOR
    }

    /// Replaces the kept list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> anyhow::Result<()> {
        save(dir, FILE, self)
    }
}

/// Reads a file of ours; `None` when there is none.
pub(crate) fn load<T: for<'de> Deserialize<'de>>(dir: &Path, name: &str, limit: u64) -> anyhow::Result<Option<T>> {
    let path = dir.join(name);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("failed to open {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("failed to read {}", path.display()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        bail!("failed to read {}: it is larger than {limit} bytes", path.display());
    }
    // The error of the parser could quote a key: only its place is told.
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            bail!("failed to understand {}: wrong at line {} column {}", path.display(), error.line(), error.column())
        }
    }
}

/// Writes a value as a file of ours.
pub(crate) fn save(dir: &Path, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
    write(dir, name, &serde_json::to_vec(value)?)
}

/// Writes a file of ours: readable for its owner only, whole or not at all.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    let write = || -> anyhow::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// Seconds of Unix time.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The most networks a list may have.
pub const MAX_ENTRIES: usize = 200_000;
const FILE: &str = "list.json";
/// Some 250 bytes an entry.
const MAX_BYTES: u64 = 64 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn list() -> Kept {
        serde_json::from_value(serde_json::json!({
            "version": 1, "fetched": 1, "from": "https://example.net/",
            "entries": [{
                "bssid": "02:00:00:00:00:01", "ssid": "Café", "security": "psk", "key": "correct horse",
                "area": "here", "assurance": "vouched"
            }]
        }))
        .unwrap()
    }

    #[test]
    fn a_list_comes_back_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("a/b");
        assert_eq!(Kept::load(&dir).unwrap(), None);
        list().save(&dir).unwrap();
        assert_eq!(Kept::load(&dir).unwrap(), Some(list()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_list_is_refused_without_showing_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":1,"fetched":1,"from":"","entries":[{"key":"correct horse"}]}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = format!("{:#}", Kept::load(dir.path()).unwrap_err());
            assert!(error.contains("failed to understand"), "{error}");
            assert!(!error.contains("horse"), "{error}");
        }
        fs::write(dir.path().join(FILE), r#"{"version":2,"fetched":1,"from":"","entries":[]}"#).unwrap();
        assert!(Kept::load(dir.path()).is_err());
    }

    #[test]
    fn a_list_that_is_too_large_is_refused_before_it_is_parsed() {
        let dir = tempfile::tempdir().unwrap();
        fs::File::create(dir.path().join(FILE)).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(format!("{:#}", Kept::load(dir.path()).unwrap_err()).contains("larger than"));
    }

    #[test]
    fn a_list_counts_for_eight_days() {
        let day = 86_400;
        assert!(list().is_good(8 * day) && !list().is_good(8 * day + 1));
        assert!(list().is_good(0), "a clock that was set back");
    }

    #[test]
    fn the_debug_form_shows_no_key() {
        assert!(!format!("{:?}", list()).contains("horse"));
    }
}
