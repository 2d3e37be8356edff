//! What the agent wrote into `/etc/config/dhcp`, kept where it survives a restart.
//!
//! One file in the state directory, replaced as a whole and only when it changes: it is on flash. Sections go by the
//! logical interface they are for: `cfgXXXXXX`, as UCI calls one without a name, is another one when sections move.
//! Without anything to remember there is no file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::plan::Record;
use crate::file;

/// The record in its file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What is there, or may be.
    #[serde(default)]
    pub interfaces: Record,
    /// Whether edits may have been made that were not committed.
    #[serde(default)]
    pub pending: bool,
}

impl Kept {
    /// Reads the file in `dir`; nothing if there is none.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        let what = || format!("read {}", path.display());
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(what),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(what),
        }
    }

    /// Writes the file in `dir`, or takes it away if there is nothing to remember.
    ///
    /// # Errors
    /// If that cannot be done; what was there is there still.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let path = dir.join(FILE);
        let what = || format!("write {}", path.display());
        if *self == Self::default() {
            return remove(&path).with_context(what);
        }
        let text = serde_json::to_vec(self).with_context(what)?;
        file::replace(&path, &text).with_context(what)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

const FILE: &str = "advertised.json";

#[cfg(test)]
mod tests {
    use super::super::plan::Entry;
    use super::*;

    #[test]
    fn the_record_is_read_as_it_was_written_and_nothing_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        assert_eq!(Kept::read(&dir).unwrap(), Kept::default());
        Kept::default().write(&dir).unwrap();
        assert!(!dir.exists());
        let dhcp_option = ["https://portal.example".to_owned()].into();
        let entry = Entry { network: "cafe".parse().unwrap(), dhcp_option, captive_portal_uri: [].into() };
        let kept = Kept { interfaces: [("guest".to_owned(), entry)].into(), pending: true };
        kept.write(&dir).unwrap();
        assert_eq!(Kept::read(&dir).unwrap(), kept);
        Kept::default().write(&dir).unwrap();
        assert!(!dir.join(FILE).exists());
        fs::write(dir.join(FILE), "{").unwrap();
        let error = Kept::read(&dir).unwrap_err().to_string();
        assert!(error.ends_with("advertised.json"), "{error}");
    }
}
