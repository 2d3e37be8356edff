//! Remembers what was changed on this computer, until it is put back.
//!
//! In: a change, before it is made. Out: the same, also after a crash: it is on disk while the change lasts, so that
//! `welcome leave` or the next start can put back what a crash left behind.

use crate::kept;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The memory of one interface.
#[derive(Debug)]
pub(super) struct Memory<C> {
    dir: PathBuf,
    file: String,
    kept: Option<Kept<C>>,
    /// This process made the change.
    is_ours: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept<C> {
    #[serde(flatten)]
    change: C,
    /// It was meant to stay; anything else was left behind by a crash.
    #[serde(default)]
    is_settled: bool,
}

impl<C: Clone + Serialize + DeserializeOwned> Memory<C> {
    /// Takes up the memory, which may hold what an earlier run left behind.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn load(dir: &Path, file: String) -> anyhow::Result<Self> {
        let kept = kept::load(dir, &file, MAX_BYTES)?;
        Ok(Self { dir: dir.to_owned(), file, kept, is_ours: false })
    }

    /// What was changed.
    pub(super) fn change(&self) -> Option<&C> {
        self.kept.as_ref().map(|kept| &kept.change)
    }

    /// Whether this process has changed something that it may have to put back.
    pub(super) fn is_unfinished(&self) -> bool {
        self.is_ours && self.kept.is_some()
    }

    /// Whether an earlier process was ended before it could put back what it changed.
    pub(super) fn is_left_behind(&self) -> bool {
        !self.is_ours && self.kept.as_ref().is_some_and(|kept| !kept.is_settled)
    }

    /// The change is meant to stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        match self.kept.clone() {
            Some(kept) => self.write(Kept { is_settled: true, ..kept }),
            None => Ok(()),
        }
    }

    /// Remembers a change, in the place of what was remembered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn remember(&mut self, change: C) -> anyhow::Result<()> {
        self.is_ours = true;
        self.write(Kept { change, is_settled: false })
    }

    /// There is nothing left to put back.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(super) fn forget(&mut self) -> anyhow::Result<()> {
        self.kept = None;
        match fs::remove_file(self.dir.join(&self.file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn write(&mut self, kept: Kept<C>) -> anyhow::Result<()> {
        // In memory first: what cannot be written can still be put back by this process.
        self.kept = Some(kept);
        kept::save(&self.dir, &self.file, &self.kept)
    }
}

const MAX_BYTES: u64 = 1 << 20;
