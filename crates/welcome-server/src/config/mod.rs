//! The configuration: typed, checked, immutable.
//!
//! TOML becomes [`raw::Raw`] (keys and values with lines, no meaning), options of the command line and variables of the
//! environment are laid over it, and [`check`] makes a [`Config`] of it or says everything that is wrong.

pub mod check;
pub mod public_url;
pub mod raw;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use welcome_proto::Secret;

use self::check::Outside;
use self::public_url::PublicUrl;
use self::raw::{Origin, Raw};
use crate::tls::TlsFiles;

/// Read if it is there and no other is named.
pub const DEFAULT_PATH: &str = "/etc/welcome-server/config.toml";

/// This machine alone: whoever wants more says where.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);
/// Below where it is started, so that trying it out takes no rights and leaves nothing elsewhere.
pub const DEFAULT_DATA: &str = "welcome-data";
/// Rare changes of state, and what an operator should look at.
pub const DEFAULT_LOG_FILTER: &str = "info";
/// Ten thousand routers with a stream each, and as many requests as come with them.
pub const DEFAULT_CONNECTIONS: usize = 16_384;
/// Of all routers together; a router has one, and for a while a second that TCP has not yet given up.
pub const DEFAULT_STREAMS: usize = 12_000;
/// What happened hour by hour; totals stay for good.
pub const DEFAULT_REPORT_DAYS: u32 = 90;
/// Who changed what.
pub const DEFAULT_AUDIT_DAYS: u32 = 365;
/// A phone asks about what it hears once in a while, and some dozens of them may share an address.
pub const DEFAULT_LOOKUPS_A_MINUTE: u32 = 60;
/// Until somebody has to log in again.
pub const DEFAULT_SESSION_DAYS: u32 = 30;

/// What to serve, where, and within which limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people reach it, if that is not what they have asked for: a proxy may change that.
    pub public_url: Option<PublicUrl>,
    /// Where files are kept; made (0700) if it is not there.
    pub data: PathBuf,
    /// A PostgreSQL database (`postgres://…`); without one it is SQLite, in the data directory.
    pub database: Option<Secret>,
    /// HTTPS with this pair; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Whose word is taken for where a request comes from.
    pub behind_proxy: Vec<IpNet>,
    /// What keys in the database are sealed with.
    pub master_key: MasterKey,
    /// What is logged, and how.
    pub log: Log,
    /// Where metrics and health are told; nowhere without.
    pub metrics: Option<SocketAddr>,
    /// How much at once.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// Whether look-ups in the directory need no token.
    pub open_directory: bool,
    /// How many look-ups a minute an address has without a token; 0: as many as it wants.
    pub lookups_a_minute: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            public_url: None,
            data: DEFAULT_DATA.into(),
            database: None,
            tls: None,
            behind_proxy: Vec::new(),
            master_key: MasterKey::InData,
            log: Log::default(),
            metrics: None,
            limits: Limits::default(),
            retention: Retention::default(),
            open_directory: true,
            lookups_a_minute: DEFAULT_LOOKUPS_A_MINUTE,
        }
    }
}

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKey {
    /// In the data directory, where the first start makes it.
    InData,
    /// In this file, which has to be there.
    File(PathBuf),
    /// Given by the environment.
    Given(Secret),
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// In the language of `tracing-subscriber`'s filters.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: DEFAULT_LOG_FILTER.to_owned(), format: LogFormat::Text }
    }
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// How much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections; a further one waits to be accepted.
    pub connections: usize,
    /// Event streams of routers; a further one is told to come later.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: DEFAULT_CONNECTIONS, streams: DEFAULT_STREAMS }
    }
}

/// How long things are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Reports by the hour, and one by one.
    pub reports: u32,
    /// The audit log.
    pub audit: u32,
    /// Log-ins.
    pub sessions: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { reports: DEFAULT_REPORT_DAYS, audit: DEFAULT_AUDIT_DAYS, sessions: DEFAULT_SESSION_DAYS }
    }
}

impl Config {
    /// The defaults, on this address and directory.
    #[must_use]
    pub fn new(listen: SocketAddr, data: PathBuf) -> Self {
        Self { listen, data, ..Self::default() }
    }

    /// Reads and checks a file, or [`DEFAULT_PATH`] if it is there and none is named, or nothing; with `over` laid over it.
    ///
    /// # Errors
    /// If the file cannot be read, or with everything that is wrong.
    pub fn load(file: Option<&Path>, over: Raw) -> Result<Self, LoadError> {
        let default = Path::new(DEFAULT_PATH);
        let file = file.or_else(|| default.exists().then_some(default));
        let text = match file {
            Some(file) => read(file).map_err(|source| LoadError::Unreadable { file: file.to_owned(), source })?,
            None => String::new(),
        };
        let whole = raw::parse(&text).and_then(|mut raw| {
            raw.settings.extend(over.settings);
            check::check(raw, &Outside::REAL)
        });
        whole.map_err(|problems| LoadError::Problems { file: file.unwrap_or(default).to_owned(), problems })
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One more than allowed is enough to see that it is too long.
    std::fs::File::open(file)?.take(raw::MAX_FILE as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Why there is no configuration; several lines if there are several problems.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is wrong.
    #[error("{}", lines(file, problems))]
    Problems {
        /// In which file, as far as it is the file's.
        file: PathBuf,
        /// What.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said.
    pub origin: Origin,
    /// `table.key`; empty if the text is no TOML.
    pub key: String,
    /// What is wrong; what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Line(line) => write!(f, "{line}: ")?,
            Origin::Option(name) | Origin::Environment(name) => write!(f, "{name}: ")?,
        }
        let colon = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.key, self.what)
    }
}

fn lines(file: &Path, problems: &[Problem]) -> String {
    let line = |problem: &Problem| match problem.origin {
        Origin::Line(_) => format!("{}:{problem}", file.display()),
        Origin::Option(_) | Origin::Environment(_) => problem.to_string(),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
