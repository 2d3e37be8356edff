//! A PostgreSQL of one's own: Debian's real one, on a Unix socket in a temporary directory.
//!
//! It belongs to whoever holds it and ends with it, even if the holder is killed: a shell stands beside it, which stops it
//! and removes its directory once the pipe from the holder closes. Nothing listens on TCP. PostgreSQL refuses to run as
//! root, so root starts it as `postgres`, the user that Debian's package makes.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// A running PostgreSQL with nothing in it. Stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    dir: TempDir,
    programs: PathBuf,
    /// Who runs it, if that is not who runs this.
    user: Option<User>,
    guard: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// Starts one for tests: a crash of this machine may lose what it has, a crash of its own does not.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if PostgreSQL is not installed; another if it does not start.
    pub fn start() -> io::Result<Self> {
        Self::with(&["fsync=off", "max_connections=50"])
    }

    /// Starts one with these settings, each as in `postgresql.conf`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn with(settings: &[&str]) -> io::Result<Self> {
        let programs = find_programs()?;
        let user = if rustix::process::geteuid().is_root() { Some(User::postgres()?) } else { None };
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        if let Some(User { uid, gid }) = user {
            chown(dir.path(), Some(uid), Some(gid))?;
        }
        let mut cluster = Self { guard: guard(dir.path(), &programs, user)?, dir, programs, user, databases: 0.into() };
        cluster.initialise(settings)?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// Makes an empty database. Returns its URL, good for sqlx and for libpq.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn database(&self) -> io::Result<String> {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&self.url("postgres"), &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs SQL in the database of this URL, and returns what psql prints: a line a row, `|` between columns.
    ///
    /// # Errors
    /// If a statement fails; nothing of the text is done then.
    pub fn psql(&self, url: &str, sql: &str) -> io::Result<String> {
        let mut psql = self.program("psql");
        psql.args([url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        self.run(psql)
    }

    /// A psql that reads SQL, and rows for `COPY`, from its input into the database of this URL.
    #[must_use]
    pub fn reader(&self, url: &str) -> Command {
        let mut psql = self.program("psql");
        psql.args([url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        psql
    }

    /// Ends the server as if it had been killed: connections break, nothing is written back.
    ///
    /// # Errors
    /// If it is not running.
    pub fn crash(&self) -> io::Result<()> {
        self.pg_ctl(&["stop", "-m", "immediate"])
    }

    /// Starts the server again after [`crash`](Self::crash), on what it had committed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn resume(&self) -> io::Result<()> {
        self.pg_ctl(&["start", "-l", LOG])
    }

    /// The size of everything it keeps, in bytes.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn size(&self, url: &str) -> io::Result<u64> {
        let size = self.psql(url, "SELECT pg_database_size(current_database())")?;
        size.trim().parse().map_err(io::Error::other)
    }

    fn initialise(&mut self, settings: &[&str]) -> io::Result<()> {
        let mut initdb = self.program("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--no-sync", "--no-instructions", "--pgdata=data"]);
        self.run(initdb)?;
        let own = format!("listen_addresses=''\nunix_socket_directories='{}'\n", self.dir.path().display());
        let text = settings.iter().fold(own, |text, setting| text + setting + "\n");
        let file = self.dir.path().join("data/postgresql.auto.conf");
        fs::write(file, text)
    }

    fn pg_ctl(&self, arguments: &[&str]) -> io::Result<()> {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.args(["--silent", "--wait", "--timeout=30", "--pgdata=data"]).args(arguments);
        self.run(pg_ctl).map(drop)
    }

    /// The URL of one of its databases; `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.dir.path().display())
    }

    /// One of PostgreSQL's programs, in the directory and the skin of the server.
    fn program(&self, name: &str) -> Command {
        as_user(Command::new(self.programs.join(name)), self.dir.path(), self.user)
    }

    /// Runs a program to its end. What it prints goes to files: a server that it leaves behind would hold a pipe open.
    fn run(&self, mut command: Command) -> io::Result<String> {
        let (mut printed, mut complained) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let status = command.stdout(printed.try_clone()?).stderr(complained.try_clone()?).status()?;
        let text = read_from_start(&mut printed)?;
        if status.success() {
            return Ok(text);
        }
        let complaint = read_from_start(&mut complained)?;
        let log = fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default();
        Err(io::Error::other(format!("{command:?}: {status}: {text}{complaint}{log}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It has done its work when it ends; a directory that is left behind is what remains of a failure.
        let _ended = self.guard.wait().is_ok();
    }
}

/// Where PostgreSQL's own programs are; Debian keeps them off the path, a directory for each version.
fn find_programs() -> io::Result<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let newest = versions.filter_map(|v| v.file_name().to_str()?.parse::<u32>().ok()).max();
    let there = newest.map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin"));
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file())
    };
    let found = there.filter(|dir| dir.join("initdb").is_file()).or_else(on_path);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "PostgreSQL is missing: install Debian's postgresql"))
}

fn read_from_start(file: &mut fs::File) -> io::Result<String> {
    let mut text = String::new();
    file.seek(io::SeekFrom::Start(0))?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Waits for the end of its input, then stops the server and removes the directory. In a process group of its own, so
/// that what ends a test leaves it its work.
fn guard(dir: &Path, programs: &Path, user: Option<User>) -> io::Result<Child> {
    let mut shell = as_user(Command::new("/bin/sh"), dir, user);
    shell.arg("-c").arg(GUARD).args([OsStr::new("guard"), programs.as_os_str(), dir.as_os_str()]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()
}

fn as_user(mut command: Command, dir: &Path, user: Option<User>) -> Command {
    command.current_dir(dir).env_remove("PGHOST").env_remove("PGPORT").env_remove("PGOPTIONS").stdin(Stdio::null());
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn postgres() -> io::Result<Self> {
        let users = fs::read_to_string("/etc/passwd")?;
        let line = users.lines().find_map(|line| line.strip_prefix("postgres:"));
        let mut fields = line.into_iter().flat_map(|line| line.split(':').skip(1)).map_while(|id| id.parse().ok());
        match (fields.next(), fields.next()) {
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "there is no user postgres to run PostgreSQL as")),
        }
    }
}

const DEBIAN: &str = "/usr/lib/postgresql";
/// In the directory of the cluster.
const LOG: &str = "log";
const GUARD: &str = r#"
read -r nothing
"$1"/pg_ctl --silent --wait --pgdata="$2"/data stop -m immediate
cd / && rm -rf "$2"
"#;
