//! The store in one SQLite file.
//!
//! One connection writes, a few read; each reader sees the last commit. WAL with `synchronous=FULL`: a commit is on the
//! disk before it is acknowledged, so neither `kill -9` nor a power cut takes back what a router was told (`NORMAL`
//! would be enough for the first only). The price is one flush of the disk a commit, some hundred commits a second.

mod content;
mod enrolment;
mod networks;
mod offers;
mod reports;

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use welcome_proto::offer::Sender;

use super::StoreError;

/// The file in the data directory.
pub(crate) const DATABASE: &str = "welcome.sqlite";

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    read: SqlitePool,
    write: SqlitePool,
}

impl Store {
    /// Opens the database in `directory`, made if it is not there (0600), and brings its tables up to this version.
    ///
    /// # Errors
    /// If the file cannot be written or is not a database of this or an earlier version.
    pub(crate) async fn open(directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join(DATABASE);
        // The file is made here, since SQLite would make it readable for all; its other files take over the mode.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&file)
            .and_then(|f| f.set_permissions(Permissions::from_mode(0o600)))
            .with_context(|| {
                format!(
                    "failed to write {}: make it writable for this user or choose another with --data",
                    file.display()
                )
            })?;

        let options = SqliteConnectOptions::new().filename(&file).foreign_keys(true).busy_timeout(BUSY);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY)
            .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full))
            .await
            .with_context(|| format!("failed to open {}", file.display()))?;
        MIGRATIONS.run(&write).await.map_err(|e| match e {
            MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => anyhow::anyhow!(
                "failed to use {}: another version of welcome-server wrote it; use that version or a newer one",
                file.display()
            ),
            e => anyhow::Error::new(e).context(format!("failed to bring {} up to this version", file.display())),
        })?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY)
            .connect_with(options.read_only(true))
            .await
            .with_context(|| format!("failed to open {}", file.display()))?;
        Ok(Self { read, write })
    }

    /// Asks the database something that costs it nothing.
    pub(crate) async fn ping(&self) -> Result<()> {
        let _: (i64,) = sqlx::query_as("SELECT 1").fetch_one(&self.read).await?;
        Ok(())
    }

    /// Closes the database; what is under way is finished first.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// A transaction that writes. It takes the lock at once: one that reads first could not wait for it later.
    async fn begin(&self) -> Result<Transaction<'_, Sqlite>> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Connections that read.
const READERS: u32 = 4;
/// How long to wait for the database, or for a connection to it.
const BUSY: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

type Result<T> = std::result::Result<T, StoreError>;

/// SQLite's integers are signed; a number beyond them becomes the largest.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn length(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_u64(number: i64, what: &'static str) -> Result<u64> {
    u64::try_from(number).map_err(|_| StoreError::Unreadable(what))
}

fn read_id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T> {
    text.parse().map_err(|_| StoreError::Unreadable(what))
}

fn read_sender(name: &str) -> Result<Sender> {
    let senders = [Sender::Device, Sender::Sharer, Sender::Server];
    senders.into_iter().find(|s| s.as_str() == name).ok_or(StoreError::Unreadable("sender"))
}

fn read_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable(what))
}

fn write_json<T: serde::Serialize>(value: &T, what: &'static str) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offers_from_before_there_were_senders_are_the_operators() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(dir.path().join(DATABASE)).create_if_missing(true);
        let before = SqlitePool::connect_with(options).await.unwrap();
        MIGRATIONS.run_to(1, &before).await.unwrap();
        for sql in [
            "INSERT INTO routers (id, public_key, vouched, version, enrolled) VALUES ('r-1', x'00', 1, '', 0)",
            r#"INSERT INTO offers VALUES ('r-1', 'a', '{"id":"a","content":{"title":"t"}}')"#,
        ] {
            sqlx::query(sql).execute(&before).await.unwrap();
        }
        before.close().await;

        let store = Store::open(dir.path()).await.unwrap();
        let set = store.offers(&"r-1".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((set.revision, set.offers.len()), (1, 1), "another revision, so that it is sent again, signed");
        assert_eq!((set.offers[0].sender, set.offers[0].offer.id.as_str()), (Sender::Server, "a"));
        assert!(store.remove_router(&"r-1".parse().unwrap()).await.unwrap());
        store.close().await;
    }
}
