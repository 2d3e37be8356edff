//! The directory in which kernel and file system wait for the next run. One `lab` at a time prepares in it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// An opened cache, locked for as long as it lives.
pub(crate) struct Cache {
    dir: PathBuf,
    _lock: File,
}

impl Cache {
    /// Makes the directory if need be and waits until no other `lab` prepares in it.
    ///
    /// # Errors
    /// When the directory cannot be made or locked.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self> {
        let dir = dir.map_or_else(default_dir, Path::to_path_buf);
        fs::create_dir_all(&dir).with_context(|| format!("make the cache {}", dir.display()))?;
        let lock = File::create(dir.join("lock")).with_context(|| format!("write to the cache {}", dir.display()))?;
        lock.lock().with_context(|| format!("lock the cache {}", dir.display()))?;
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A directory for work in progress, on the same file system, removed when dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(&self.dir).with_context(|| format!("make a directory in {}", self.dir.display()))
    }
}

fn default_dir() -> PathBuf {
    if rustix::process::getuid().is_root() {
        return PathBuf::from("/var/cache/welcomed-lab");
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
    base.unwrap_or_else(home).join("welcomed-lab")
}
