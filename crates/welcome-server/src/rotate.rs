//! Another master key: everything sealed is opened and sealed anew, in small transactions.
//!
//! The new key lies beside the data (`master.key.next`) from the first value until the last; only then does it take the place
//! of the old one. Whoever is killed in between is run again: each value opens with one of the two keys, and says so itself
//! which it is. Until then no server starts on these data.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::app::{lock, unix_now};
use crate::config::{Config, MasterKey};
use crate::file;
use crate::open::{open_store, require_existing};
use crate::seal::{DoesNotOpen, MASTER_KEY, NEXT_KEY, Seal};
use crate::store::{By, Kind, SealedRow, Store, StoreError};

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// How many values were sealed under another key before.
    pub values: u64,
    /// Where the old key is: backups that were made before still need it.
    pub old_key: PathBuf,
}

/// Seals everything under another master key: that in `new`, or one made here. The server must not be running, nor any other
/// process of it on the same PostgreSQL.
///
/// # Errors
/// If the server is running, or something cannot be read, written or opened. What was done stays done, and another call
/// goes on from there.
pub async fn rotate_key(config: &Config, new: Option<&Path>) -> Result<Rotated> {
    require_existing(config)?;
    let lock = lock(&config.data)?;
    let current = match &config.master_key {
        MasterKey::InData => config.data.join(MASTER_KEY),
        MasterKey::File(file) => file.clone(),
        MasterKey::Given(_) => {
            bail!(
                "the master key is in WELCOME_MASTER_KEY: put it into a file and name that (`master_key_file`), then run this"
            )
        }
    };
    let old = Seal::read(&current)?;
    let next = config.data.join(NEXT_KEY);
    lay_ready(&next, new)?;
    let fresh = Seal::read(&next)?;

    let store = open_store(config).await?;
    let mut values = 0;
    for kind in Kind::ALL {
        let resealed = reseal(&store, kind, &old, &fresh).await;
        values += resealed.context("failed to seal everything anew: run this again to go on")?;
    }
    let now = unix_now();
    store
        .note_rotation(By { who: "command line", at: now }, values)
        .await
        .context("failed to note it in the audit log")?;
    store.close().await;

    let old_key = config.data.join(format!("{MASTER_KEY}.{now}"));
    let text = fs::read(&current).with_context(|| format!("failed to read {}", current.display()))?;
    file::replace(&old_key, &text).with_context(|| format!("failed to write {}", old_key.display()))?;
    let text = fs::read(&next).with_context(|| format!("failed to read {}", next.display()))?;
    file::replace(&current, &text).with_context(|| {
        let (current, next) = (current.display(), next.display());
        format!("everything is sealed anew, but failed to write {current}: put {next} in its place by hand")
    })?;
    fs::remove_file(&next).with_context(|| format!("failed to remove {}: do so by hand", next.display()))?;
    drop(lock);
    Ok(Rotated { values, old_key })
}

/// Puts the new key where a further call finds it.
fn lay_ready(next: &Path, new: Option<&Path>) -> Result<()> {
    if let Some(new) = new {
        Seal::read(new)?;
        let text = fs::read(new).with_context(|| format!("failed to read {}", new.display()))?;
        if !next.exists() {
            return file::replace(next, &text).with_context(|| format!("failed to write {}", next.display()));
        }
        let begun = fs::read(next).with_context(|| format!("failed to read {}", next.display()))?;
        if begun.trim_ascii() != text.trim_ascii() {
            bail!("a rotation to another key was begun: finish it first, without --new");
        }
        return Ok(());
    }
    if next.exists() { Ok(()) } else { Seal::make(next) }
}

/// Values of one transaction.
const AT_ONCE: usize = 100;

async fn reseal(store: &Store, kind: Kind, old: &Seal, fresh: &Seal) -> Result<u64, StoreError> {
    let (mut after, mut count) = ((String::new(), String::new()), 0);
    loop {
        let rows = store.sealed(kind, &after, AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.row.clone();
        let resealed = rows.into_iter().filter_map(|row| reseal_one(kind, row, old, fresh).transpose());
        let resealed: Vec<_> = resealed.collect::<Result<_, _>>()?;
        store.reseal(kind, &resealed).await?;
        count += resealed.len() as u64;
    }
}

/// The value sealed anew, unless it is.
fn reseal_one(
    kind: Kind,
    row: SealedRow,
    old: &Seal,
    fresh: &Seal,
) -> Result<Option<(SealedRow, Vec<u8>)>, StoreError> {
    let place = kind.place(&row.row)?;
    if fresh.open(&place, &row.sealed).is_ok() {
        return Ok(None);
    }
    let value = old.open(&place, &row.sealed).map_err(|DoesNotOpen| StoreError::Sealed(DoesNotOpen))?;
    let sealed = fresh.seal(&place, &value);
    Ok(Some((row, sealed)))
}
