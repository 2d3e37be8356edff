//! A copy of everything that a server on SQLite needs, in one file, and the way back.
//!
//! The copy is a SQLite database of its own, made while the server runs, as of one moment. Beside the server's tables it has
//! one, `backup`, with the files of the data directory that the database is of no use without: the keys. Whoever has it has
//! the server, so it is readable for its owner alone; without the keys it is what a stolen database would be.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::app::{lock, unix_now};
use crate::config::{Config, MasterKey};
use crate::seal::MASTER_KEY;
use crate::store::DATABASE;

/// Whether the keys go along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The copy is all that a new machine needs.
    Included,
    /// They are kept elsewhere.
    LeftOut,
}

/// Whether what is there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// It may not.
    Refuse,
    /// It may.
    Force,
}

/// Copies the database, and the keys, into a new file. The server may be running. Tells how many bytes are done, and of how
/// many.
///
/// # Errors
/// If the file is there, the database cannot be read, or the disk is full; the file is then not there.
pub async fn backup(config: &Config, file: &Path, keys: Keys, progress: impl Fn(u64, u64)) -> Result<()> {
    let database = sqlite_of(config)?;
    if !database.exists() {
        bail!("no server's data in {}: give its --data or --config", config.data.display());
    }
    // Made here, since SQLite would make it readable for all; it takes an empty file for a new one.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.with_context(|| format!("failed to make {}: name a file that is not there", file.display()))?;
    let copied = copy(config, &database, file, keys, progress).await;
    if copied.is_err() {
        drop(fs::remove_file(file)); // What failed is told; half a copy must not be taken for one.
    }
    copied
}

/// Puts a copy in the place of the data directory's database and keys. Tells how many bytes are done, and of how many.
///
/// # Errors
/// If the file is no backup, a server is running, or there is something that may not be replaced.
pub async fn restore(config: &Config, file: &Path, overwrite: Overwrite, progress: impl Fn(u64, u64)) -> Result<()> {
    let database = sqlite_of(config)?;
    crate::app::make_data_directory(&config.data)?;
    let lock = lock(&config.data)?;
    if database.exists() && overwrite == Overwrite::Refuse {
        bail!("{} is there: give --force to replace it, for good", database.display());
    }
    let fresh = config.data.join("restore.new");
    let restored = put_back(config, file, &database, &fresh, overwrite, progress).await;
    if restored.is_err() {
        drop(fs::remove_file(&fresh)); // What failed is told.
    }
    drop(lock);
    restored
}

fn sqlite_of(config: &Config) -> Result<PathBuf> {
    if config.database.is_some() {
        bail!("the database is PostgreSQL's: use pg_dump and pg_restore, and keep the master key");
    }
    Ok(config.data.join(DATABASE))
}

/// The key that the database is of no use without, if there is one.
fn own_key(config: &Config) -> Result<Option<Vec<u8>>> {
    let path = match &config.master_key {
        MasterKey::Given(key) => return Ok(Some(key.reveal().as_bytes().to_vec())),
        MasterKey::InData => config.data.join(MASTER_KEY),
        MasterKey::File(path) => path.clone(),
    };
    match read_key(&path) {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// A key is some hundred bytes.
const MAX_KEY: u64 = 64 * 1024;
/// How often a copy tells how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

async fn copy(config: &Config, database: &Path, file: &Path, keys: Keys, progress: impl Fn(u64, u64)) -> Result<()> {
    let mut source = open(database, true).await?;
    let (pages,): (i64,) = sqlx::query_as("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .fetch_one(&mut source)
        .await
        .with_context(|| format!("failed to read {}", database.display()))?;
    let all = u64::try_from(pages).unwrap_or_default();
    let target = file.to_str().context("the name of the file has to be UTF-8")?;
    {
        // Reads one moment, and keeps nobody from writing.
        let copying = sqlx::query("VACUUM INTO ?").bind(target).execute(&mut source);
        tokio::pin!(copying);
        loop {
            tokio::select! {
                copied = &mut copying => {
                    copied.with_context(|| format!("failed to copy {} to {}", database.display(), file.display()))?;
                    break;
                }
                () = tokio::time::sleep(PROGRESS) => progress(fs::metadata(file).map_or(0, |m| m.len()).min(all), all),
            }
        }
    }
    source.close().await.context("failed to close the database")?;

    let mut copy = open(file, false).await?;
    let add = async {
        sqlx::query("CREATE TABLE backup (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT")
            .execute(&mut copy)
            .await?;
        let insert = "INSERT INTO backup (name, value) VALUES (?, ?)";
        let taken = unix_now().to_string().into_bytes();
        let version = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
        for (name, value) in [("taken", taken), ("version", version)] {
            sqlx::query(insert).bind(name).bind(value).execute(&mut copy).await?;
        }
        if keys == Keys::Included {
            let key = own_key(config)?.context("there is no master key to copy: give --without-keys to do without")?;
            sqlx::query(insert).bind(MASTER_KEY).bind(key).execute(&mut copy).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    add.await.with_context(|| format!("failed to complete {}", file.display()))?;
    copy.close().await.with_context(|| format!("failed to complete {}", file.display()))?;
    File::open(file).and_then(|f| f.sync_all()).with_context(|| format!("failed to write {}", file.display()))?;
    let size = fs::metadata(file).map_or(all, |m| m.len());
    progress(size, size);
    Ok(())
}

async fn put_back(
    config: &Config,
    file: &Path,
    database: &Path,
    fresh: &Path,
    overwrite: Overwrite,
    progress: impl Fn(u64, u64),
) -> Result<()> {
    let size = fs::metadata(file).with_context(|| format!("failed to read {}", file.display()))?.len();
    let mut copy = open(file, true).await?;
    let held: Result<Vec<(String, Vec<u8>)>, _> =
        sqlx::query_as("SELECT name, value FROM backup").fetch_all(&mut copy).await;
    let held = held.with_context(|| format!("{} is no backup of welcome-server", file.display()))?;
    let sound: Result<(String,), _> = sqlx::query_as("PRAGMA quick_check(1)").fetch_one(&mut copy).await;
    if sound.with_context(|| format!("failed to read {}", file.display()))?.0 != "ok" {
        bail!("{} is damaged: take an older backup", file.display());
    }
    copy.close().await.context("failed to close the backup")?;

    let key = held.iter().find(|(name, _)| name == MASTER_KEY).map(|(_, key)| key.trim_ascii());
    let there = own_key(config)?;
    let is_same = |key: &[u8]| there.as_ref().is_some_and(|there| there.trim_ascii() == key);
    let new_key = key.filter(|key| !is_same(key));
    if new_key.is_some() && there.is_some() && overwrite == Overwrite::Refuse {
        bail!("there is another master key than the copy's: give --force to replace it, for good");
    }
    if new_key.is_some() && matches!(config.master_key, MasterKey::Given(_)) {
        bail!(
            "the environment gives another master key than the copy's: leave it out, and it is written to the data directory"
        );
    }
    copy_file(file, fresh, size, progress).with_context(|| format!("failed to write {}", fresh.display()))?;
    let mut restored = open(fresh, false).await?;
    let cleared = sqlx::query("DROP TABLE backup").execute(&mut restored).await;
    cleared.with_context(|| format!("failed to write {}", fresh.display()))?;
    restored.close().await.with_context(|| format!("failed to write {}", fresh.display()))?;

    if let Some(key) = new_key {
        let path = match &config.master_key {
            MasterKey::File(path) => path.clone(),
            MasterKey::InData | MasterKey::Given(_) => config.data.join(MASTER_KEY),
        };
        let text = [key, b"\n"].concat();
        crate::file::replace(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    // What the former database had not yet written into its file would be taken for the new one's.
    for ending in ["-wal", "-shm"] {
        let mut beside = database.as_os_str().to_owned();
        beside.push(ending);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", Path::new(&beside).display()));
            }
            _ => {}
        }
    }
    let renamed = File::open(fresh).and_then(|f| f.sync_all()).and_then(|()| fs::rename(fresh, database));
    renamed
        .and_then(|()| File::open(&config.data)?.sync_all())
        .with_context(|| format!("failed to write {}", database.display()))
}

fn read_key(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut key = Vec::new();
    File::open(path)?.take(MAX_KEY).read_to_end(&mut key)?;
    Ok(key)
}

fn copy_file(from: &Path, to: &Path, size: u64, progress: impl Fn(u64, u64)) -> std::io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut done = 0;
    loop {
        let piece = std::io::copy(&mut source.by_ref().take(PIECE), &mut target)?;
        if piece == 0 {
            break;
        }
        done += piece;
        progress(done, size.max(done));
    }
    target.sync_all()
}

/// After how many bytes a restore tells how far it is.
const PIECE: u64 = 16 * 1024 * 1024;

async fn open(file: &Path, read_only: bool) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).read_only(read_only).busy_timeout(Duration::from_secs(5));
    options.connect().await.with_context(|| format!("failed to open {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use welcome_proto::Secret;

    use super::*;
    use crate::open::Opened;

    async fn server_data(dir: &Path) -> Config {
        let config = Config { data: dir.join("data"), ..Config::default() };
        crate::app::make_data_directory(&config.data).unwrap();
        Opened::open(&config).await.unwrap().store.close().await;
        config
    }

    /// That there is an organisation, and its key opens with the master key, is what opening tries.
    async fn opens(config: &Config) -> bool {
        let opened = Opened::open_existing(config).await;
        match opened {
            Ok(opened) => {
                let orgs = opened.store.orgs().await.unwrap().len();
                opened.store.close().await;
                orgs == 1
            }
            Err(_) => false,
        }
    }

    fn key(config: &Config) -> PathBuf {
        config.data.join(MASTER_KEY)
    }

    #[tokio::test]
    async fn what_was_copied_while_it_was_in_use_is_all_back() {
        let dir = tempfile::tempdir().unwrap();
        let config = server_data(dir.path()).await;
        let in_use = Opened::open(&config).await.unwrap();
        let file = dir.path().join("copy");
        backup(&config, &file, Keys::Included, |done, all| assert!(done <= all)).await.unwrap();
        in_use.store.close().await;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        let elsewhere = Config { data: dir.path().join("elsewhere"), ..Config::default() };
        restore(&elsewhere, &file, Overwrite::Refuse, |done, all| assert!(done <= all)).await.unwrap();
        assert!(opens(&elsewhere).await);
        assert_eq!(fs::read(key(&elsewhere)).unwrap(), fs::read(key(&config)).unwrap());
        for file in [key(&elsewhere), elsewhere.data.join(DATABASE)] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn nothing_is_replaced_without_force_and_never_under_a_running_server() {
        let dir = tempfile::tempdir().unwrap();
        let config = server_data(dir.path()).await;
        let file = dir.path().join("copy");
        backup(&config, &file, Keys::Included, |_, _| {}).await.unwrap();
        let again = backup(&config, &file, Keys::Included, |_, _| {}).await.unwrap_err();
        assert!(format!("{again:#}").contains("name a file that is not there"), "{again:#}");

        let refused = restore(&config, &file, Overwrite::Refuse, |_, _| {}).await.unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        let running = lock(&config.data).unwrap();
        let refused = restore(&config, &file, Overwrite::Force, |_, _| {}).await.unwrap_err();
        assert!(refused.to_string().contains("another welcome-server"), "{refused}");
        drop(running);
        fs::write(key(&config), "of another").unwrap();
        restore(&config, &file, Overwrite::Force, |_, _| {}).await.unwrap();
        assert!(opens(&config).await);
    }

    #[tokio::test]
    async fn the_key_can_stay_away_and_another_one_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let config = server_data(dir.path()).await;
        let (bare, whole) = (dir.path().join("bare"), dir.path().join("whole"));
        backup(&config, &bare, Keys::LeftOut, |_, _| {}).await.unwrap();
        backup(&config, &whole, Keys::Included, |_, _| {}).await.unwrap();
        let own = fs::read(key(&config)).unwrap();
        let holds = |file: &Path| fs::read(file).unwrap().windows(own.len()).any(|w| w == own);
        assert!(holds(&whole) && !holds(&bare));

        fs::remove_file(config.data.join(DATABASE)).unwrap();
        fs::write(key(&config), "of another").unwrap();
        let refused = restore(&config, &whole, Overwrite::Refuse, |_, _| {}).await.unwrap_err();
        assert!(refused.to_string().contains("another master key"), "{refused}");
        let given = Config { master_key: MasterKey::Given(Secret::new("of another")), ..config.clone() };
        let refused = restore(&given, &whole, Overwrite::Force, |_, _| {}).await.unwrap_err();
        assert!(refused.to_string().contains("the environment gives another"), "{refused}");
        fs::write(key(&config), &own).unwrap();
        restore(&config, &bare, Overwrite::Refuse, |_, _| {}).await.unwrap();
        assert!(opens(&config).await);
    }

    #[tokio::test]
    async fn what_is_no_backup_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = server_data(dir.path()).await;
        let plain = config.data.join(DATABASE);
        let text = dir.path().join("text");
        fs::write(&text, "no database at all, though it is long enough to be looked at").unwrap();
        for file in [&plain, &text, &dir.path().join("absent")] {
            restore(&config, file, Overwrite::Force, |_, _| {}).await.unwrap_err();
        }
        assert!(opens(&config).await && !config.data.join("restore.new").exists());
    }
}
