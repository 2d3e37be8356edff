//! The database: SQLite in the data directory, or PostgreSQL.
//!
//! One text of SQL serves both; where they differ, [`Dialect`] has the words.
//!
//! SQLite: one connection writes, a few read, and each reader sees the last commit. WAL with `synchronous=FULL`: a commit is
//! on the disk before it is acknowledged, so neither `kill -9` nor a power cut takes back what a router was told (`NORMAL`
//! would be enough for the first only). The price is one flush of the disk a commit, some hundred commits a second.
//!
//! PostgreSQL: a pool; `synchronous_commit` as its operator has set it (on, unless somebody changed it). A transaction that
//! changes a row which others may change, too, begins with an `UPDATE` of it: that takes the row's lock in both.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Transaction};
use welcome_proto::Secret;

use super::{Result, migrate};

/// The file in the data directory.
pub(crate) const DATABASE: &str = "welcome.sqlite";

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A query for the numbers of a JSON array, which is the parameter of this number.
    pub(crate) fn numbers(self, parameter: u8) -> String {
        match self {
            Self::Sqlite => format!("SELECT value FROM json_each(${parameter})"),
            Self::Postgres => {
                format!("SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(${parameter} AS json))")
            }
        }
    }

    /// The same for texts.
    pub(crate) fn texts(self, parameter: u8) -> String {
        match self {
            Self::Sqlite => format!("SELECT value FROM json_each(${parameter})"),
            Self::Postgres => format!("SELECT value FROM json_array_elements_text(CAST(${parameter} AS json))"),
        }
    }
}

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) read: AnyPool,
    write: AnyPool,
    dialect: Dialect,
}

impl Store {
    /// Opens the database of `directory`, made if it is not there (0600), and brings its tables up to this version.
    ///
    /// # Errors
    /// If the file cannot be written or is not a database of this or an earlier version.
    pub(crate) async fn open(directory: &Path) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
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
        let place = file.display().to_string();
        let url = sqlite_url(&file)?;
        let write = sqlite_pool(&url, "rw", 1, WRITER).await.with_context(|| format!("failed to open {place}"))?;
        migrate::run(&write, Dialect::Sqlite, &place).await?;
        let read = sqlite_pool(&url, "ro", READERS, READER).await.with_context(|| format!("failed to open {place}"))?;
        Ok(Self { read, write, dialect: Dialect::Sqlite })
    }

    /// Opens a PostgreSQL database, e.g. `postgres://welcome@/welcome?host=/run/postgresql`, and brings its tables up to
    /// this version; of several processes that start at once, one does.
    ///
    /// # Errors
    /// If it cannot be reached, or is not a database of this or an earlier version.
    pub(crate) async fn open_postgres(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(BUSY)
            .connect(url)
            .await
            .context("failed to reach PostgreSQL: is it running, and is `database` right?")?;
        migrate::run(&pool, Dialect::Postgres, "the PostgreSQL database").await?;
        Ok(Self { read: pool.clone(), write: pool, dialect: Dialect::Postgres })
    }

    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Asks the database something that costs it nothing.
    pub(crate) async fn ping(&self) -> Result<()> {
        let _: (i64,) = sqlx::query_as("SELECT CAST(1 AS BIGINT)").fetch_one(&self.read).await?;
        Ok(())
    }

    /// Closes the database; what is under way is finished first.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// A transaction that writes. SQLite's takes the lock at once: one that reads first could not wait for it later.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.write.begin().await?,
        })
    }

    /// A transaction in which all that is read is of one moment.
    pub(super) async fn begin_read(&self) -> Result<Transaction<'static, Any>> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.read.begin().await?,
            Dialect::Postgres => self.read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
        })
    }
}

/// Connections that read.
const READERS: u32 = 4;
/// Of one process; PostgreSQL takes a hundred, unless told otherwise.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long to wait for the database, or for a connection to it.
const BUSY: Duration = Duration::from_secs(5);
/// Milliseconds, as [`BUSY`].
const WRITER: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
const READER: &str = "PRAGMA busy_timeout = 5000";

/// A connection to look with: nothing is made, and nothing changed.
pub(super) async fn look_pool(directory: &Path, url: Option<&Secret>) -> anyhow::Result<AnyPool> {
    sqlx::any::install_default_drivers();
    match url {
        None => {
            let url = sqlite_url(&directory.join(DATABASE))?;
            sqlite_pool(&url, "ro", 1, READER).await.context("cannot be opened")
        }
        Some(url) => {
            let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(BUSY).connect(url.reveal()).await;
            pool.context("cannot be reached: is it running, and is `database` right?")
        }
    }
}

async fn sqlite_pool(url: &str, mode: &str, connections: u32, set_up: &'static str) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY)
        .max_lifetime(None)
        .idle_timeout(None)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for pragma in set_up.split("; ") {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect(&format!("{url}?mode={mode}"))
        .await
}

/// The path in a URL: what means something there is written in hexadecimal.
fn sqlite_url(file: &Path) -> anyhow::Result<String> {
    let Some(path) = file.to_str() else { bail!("{}: the path has to be UTF-8", file.display()) };
    let escape = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    Ok(format!("sqlite://{}", path.bytes().map(escape).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_may_hold_anything() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a b?c#d%41&mode=x é");
        std::fs::create_dir(&odd).unwrap();
        let store = Store::open(&odd).await.unwrap();
        store.ping().await.unwrap();
        store.close().await;
        assert!(odd.join(DATABASE).metadata().unwrap().len() > 0);
    }

    #[tokio::test]
    async fn a_commit_is_on_the_disk_and_rows_that_hang_together_stay_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for (pragma, expected) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1)] {
            let (value,): (i64,) = sqlx::query_as(pragma).fetch_one(&mut *tx).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(mode, "wal");
    }
}
