//! The configuration: typed, checked, immutable.
//!
//! UCI text becomes [`raw::Raw`] (strings with lines, no meaning) in [`uci`], and [`check`] makes a [`Config`] of it or
//! says everything that is wrong. A new file makes a new `Config`; nothing here changes one.

pub mod check;
pub mod files;
pub mod network;
pub mod offer;
pub mod raw;
pub mod reader;
#[cfg(test)]
mod tests;
pub mod uci;

use sorted::SortedMap;
use std::fmt;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use rustls_pki_types::ServerName;
use tracing::Level;
use welcome_core::Rules;
use welcome_proto::{Digest, NetworkId, Secret};

use crate::zone::Zone;

/// Where the configuration is.
pub const DEFAULT_PATH: &str = "/etc/config/welcomed";
/// If this file is there, it is read in place of [`DEFAULT_PATH`]; libuci does so with every configuration.
pub const OVERRIDE: &str = "/var/run/uci/welcomed";

/// Greeting begins when the sharer says so, not when the package is installed.
pub const DEFAULT_ENABLED: bool = false;
/// Rare changes of state; a router's log is small and shared.
pub const DEFAULT_LOG_LEVEL: Level = Level::INFO;
/// Every address; a v6 socket takes IPv4 as well, and a router without IPv6 listens on `0.0.0.0`.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), welcome_proto::lan::PORT);
/// Where OpenWrt's hostapd and most others have their control sockets.
pub const DEFAULT_HOSTAPD_DIR: &str = "/var/run/hostapd";
/// Where wpa_supplicant's are, for a router that has one.
pub const DEFAULT_SUPPLICANT_DIR: &str = "/var/run/wpa_supplicant";
/// Who has a router registered wants its networks listed, and that takes a challenge.
pub const DEFAULT_OWNERSHIP: bool = true;
/// Where OpenWrt's dnsmasq keeps its leases.
pub const DEFAULT_LEASES: &str = "/tmp/dhcp.leases";
/// Where ubusd listens since OpenWrt 21.02.
pub const DEFAULT_UBUS_SOCKET: &str = "/var/run/ubus/ubus.sock";
/// In memory: a status outlives nobody.
pub const DEFAULT_STATUS_SOCKET: &str = "/var/run/welcomed/status.sock";
/// On flash: the router's key is made once.
pub const DEFAULT_STATE_DIR: &str = "/etc/welcomed";
/// Where caught HTTP goes; on every address, as a redirect leads to the one of the interface it came in by.
pub const DEFAULT_CATCH: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8911);
/// The pages over TLS, for a router with a certificate. 443 is the router's own web interface.
pub const DEFAULT_TLS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8912);
/// More languages for the pages.
pub const DEFAULT_LANGUAGES: &str = "/usr/share/welcomed/languages";
/// On flash: offers are there after a power cut, too.
pub const DEFAULT_CACHE_DIR: &str = "/etc/welcomed/content";
/// A few pictures; the smallest routers have little more.
pub const DEFAULT_CACHE_KIB: u32 = 512;
/// In the middle, so that both more and less important ones have room.
pub const DEFAULT_PRIORITY: u8 = 50;
/// A visit sees an offer once.
pub const DEFAULT_CAP_PER_VISIT: u8 = 1;

/// How the core names a guest's passphrase that was told from the owner's by hostapd. No `keyid` has a space.
pub const KEY_SHARED: &str = "shared passphrase";
/// The same for the owner's.
pub const KEY_OWNER: &str = "owner's passphrase";

/// What the sharer wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    /// Whether to do anything at all.
    pub enabled: bool,
    /// How much to log.
    pub log_level: Level,
    /// Where stations reach the portal.
    pub listen: Vec<SocketAddr>,
    /// How to hear who joins.
    pub joins: Joins,
    /// Where hostapd's control sockets are.
    pub hostapd_dir: PathBuf,
    /// Where ubusd listens.
    pub ubus_socket: PathBuf,
    /// dnsmasq's leases.
    pub leases: PathBuf,
    /// Where the status is told.
    pub status_socket: PathBuf,
    /// Where the router's key is kept.
    pub state_dir: PathBuf,
    /// Where HTTP goes that the firewall has caught.
    pub catch: Vec<SocketAddr>,
    /// The pages over TLS.
    pub tls: Option<Tls>,
    /// Where more languages for the pages are.
    pub languages: PathBuf,
    /// Where images, pages and offers of the server are kept.
    pub cache_dir: PathBuf,
    /// How many bytes of images and pages are kept at most.
    pub cache_limit: u64,
    /// The time zone of the place.
    pub zone: Zone,
    /// Whether the clock is right without anybody's word.
    pub trusts_clock: bool,
    /// The directory; without one the router works alone.
    pub server: Option<Server>,
    /// What decisions need.
    pub rules: Rules,
    /// The guests' passphrases of the networks where hostapd is to take them beside the network's own.
    pub passphrases: SortedMap<NetworkId, Vec<Secret>>,
    /// The captive portal API of each network whose guests are told of one by DHCP (RFC 8910).
    pub captive_portals: SortedMap<NetworkId, String>,
    /// What stations may reach while a gate holds them.
    pub allow: SortedMap<NetworkId, Vec<IpNet>>,
    /// The images and pages of the router's own offers.
    pub files: SortedMap<Digest, PathBuf>,
}

/// The router's own name and certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The name in the certificate, by which stations ask.
    pub name: String,
    /// The certificate and what is above it (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Where the pages are served over TLS.
    pub listen: Vec<SocketAddr>,
}

/// How to hear who joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Joins {
    /// By hostapd's control socket where it can be reached, by ubus elsewhere.
    #[default]
    Auto,
    /// By hostapd's control socket alone.
    Control,
    /// By ubus alone.
    Ubus,
}

/// The directory server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// The one-time token to enrol with.
    pub token: Option<Secret>,
    /// Certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// `http://` was allowed; the URL is a loopback one if it is used.
    pub allow_plain_http: bool,
    /// Whether it may have a network carry a challenge, and ask what is heard of others'.
    pub ownership: bool,
}

impl Tls {
    /// `https://NAME[:PORT]`, without the port if it is the scheme's own.
    #[must_use]
    pub fn base(name: &str, port: u16) -> String {
        if port == 443 { format!("https://{name}") } else { format!("https://{name}:{port}") }
    }
}

impl Config {
    /// Reads and checks a file. For [`DEFAULT_PATH`] [`OVERRIDE`] comes first.
    ///
    /// # Errors
    /// If the file cannot be read, or with everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let replacement = (path == Path::new(DEFAULT_PATH)).then_some(Path::new(OVERRIDE));
        let config = Self::load_exactly(replacement.filter(|r| r.exists()).unwrap_or(path))?;
        // The next time the other one may be there.
        Ok(Self { file: path.to_owned(), ..config })
    }

    /// Checks a text; problems name `file` as their place. Looks at nothing else: the images and pages that the text
    /// names are left out, and dates are those of UTC unless the text names a time zone.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(file: &Path, text: &[u8]) -> Result<Self, LoadError> {
        let checked = checked(text, &Zone::default()).map(|(config, _)| config);
        checked
            .map(|config| Self { file: file.to_owned(), ..config })
            .map_err(|problems| LoadError::Problems { file: file.to_owned(), problems })
    }

    fn load_exactly(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable { file: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = Vec::new();
        // One more than allowed is enough for the parser to see that it is too long.
        file.take(uci::MAX_FILE as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
        let whole = checked(&text, &Zone::of_this_machine()).and_then(|(mut config, wanted)| {
            config.files = files::read(&mut config.rules.offers, wanted)?;
            Ok(config)
        });
        whole
            .map(|config| Self { file: path.to_owned(), ..config })
            .map_err(|problems| LoadError::Problems { file: path.to_owned(), problems })
    }
}

fn checked(text: &[u8], zone: &Zone) -> Result<(Config, Vec<offer::Wanted>), Vec<Problem>> {
    let raw = uci::parse(text).map_err(|errors| errors.into_iter().map(Problem::from).collect::<Vec<_>>())?;
    check::check(&raw, zone)
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
    /// The file is wrong.
    #[error("{}", lines(file, problems))]
    Problems {
        /// Which.
        file: PathBuf,
        /// What, in order of lines.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, counted from 1.
    pub line: usize,
    /// `section.option`, or the section alone; empty if the text is no UCI.
    pub at: String,
    /// What is wrong; what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, at, what } = self;
        let colon = if at.is_empty() { "" } else { ": " };
        write!(f, "{line}: {at}{colon}{what}")
    }
}

impl From<uci::SyntaxError> for Problem {
    fn from(uci::SyntaxError { line, what }: uci::SyntaxError) -> Self {
        Self { line, at: String::new(), what }
    }
}

/// `https://HOST[:PORT]`, or `http://` in its place.
///
/// ```
/// use welcomed::config::ServerUrl;
/// let url: ServerUrl = "https://Directory.example:443/".parse().unwrap();
/// assert_eq!((url.host(), url.port(), url.authority().as_str()), ("directory.example", 443, "directory.example"));
/// assert_eq!("http://[::1]:8480".parse::<ServerUrl>().unwrap().authority(), "[::1]:8480");
/// for bad in ["directory.example", "https://", "https://a/b", "https://a?b", "https://me@a", "ftp://a", "https://a:0"] {
///     assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    tls: bool,
    host: String,
    port: u16,
}

impl ServerUrl {
    /// Whether the connection is protected.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host, in lower case; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands in `Host`: without the port if it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether the host is this machine, whatever a resolver says.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: http::Uri = text.parse().map_err(|_| UrlError)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(UrlError),
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let port = match authority.strip_prefix(host).ok_or(UrlError)? {
            "" if tls => 443,
            "" => 80,
            port => port.strip_prefix(':').and_then(|p| p.parse().ok()).filter(|p| *p != 0).ok_or(UrlError)?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let plain_path = uri.path_and_query().is_none_or(|p| p == "/");
        if !plain_path || text.contains('#') || ServerName::try_from(host.as_str()).is_err() {
            return Err(UrlError);
        }
        Ok(Self { tls, host, port })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Not the address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a server; expected https://HOST or https://HOST:PORT, without a path")]
pub struct UrlError;

fn lines(file: &Path, problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|p| format!("{}:{p}", file.display())).collect();
    lines.join("\n")
}
