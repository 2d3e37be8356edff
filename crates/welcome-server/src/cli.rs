//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use welcome_server::config::raw::{Origin, Raw, Value};
use welcome_server::{PublicUrl, Scope};

/// Directory of shared Wi-Fi networks, and the push to their routers
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Logs go to stderr; RUST_LOG filters them, e.g. RUST_LOG=welcome_server=debug.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM or SIGINT
    ///
    /// As long as nobody has set the server up, each start prints a link for that, good once and for a day.
    Serve(Serve),
    /// Say what is wrong with the configuration and what it names; changes nothing
    Check(Serve),
    /// Print a token that enrols one router; the server may be running
    Token(Token),
    /// Print a token for a program; the server may be running
    ApiToken(ApiToken),
    /// Add an organisation and print its id; the server may be running
    Organisation(Organisation),
    /// Copy the database and the keys into a file (SQLite); the server may be running
    Backup(Backup),
    /// Put a copy in the place of the database and the keys (SQLite); the server must not be running
    Restore(Restore),
}

/// Which server: of all commands.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The configuration; without it /etc/welcome-server/config.toml, if that is there
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Where people reach the server, if it is not what they ask for: https://NAME
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<PublicUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Whose router it will be: name or id of an organisation, if there are several
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
    /// Do not vouch for the router: its networks are listed once they are verified
    #[arg(long)]
    pub(crate) no_vouch: bool,
    /// How long it is good: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = duration)]
    pub(crate) ttl: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ApiToken {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Whose token it is: name or id of an organisation, if there are several
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
    /// What it is called in lists and in the audit log
    #[arg(long, default_value = "command line")]
    pub(crate) name: String,
    /// What its bearer may do: read:areas, read:keys, read:fleet, write:routers, write:offers, share; all without it
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Debug, Args)]
pub(crate) struct Organisation {
    #[command(flatten)]
    pub(crate) at: Where,
    /// What it is called
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Leave the keys out: whoever has the file cannot read what is sealed
    #[arg(long)]
    pub(crate) without_keys: bool,
    /// The copy to make; must not be there
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) at: Where,
    /// Replace a database or key that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// The copy
    pub(crate) file: PathBuf,
}

impl Where {
    /// What the command line says of the configuration.
    fn settings(&self) -> Raw {
        let mut raw = Raw::default();
        set(&mut raw, "data", "--data", self.data.as_ref().map(|path| path.display()));
        raw
    }

    /// The configuration of this server.
    pub(crate) fn load(&self) -> Result<welcome_server::Config, welcome_server::config::LoadError> {
        welcome_server::Config::load(self.config.as_deref(), self.settings())
    }
}

impl Serve {
    /// The configuration with what these options say in place of what the file says.
    pub(crate) fn load(&self) -> Result<welcome_server::Config, welcome_server::config::LoadError> {
        let mut raw = self.at.settings();
        set(&mut raw, "listen", "--listen", self.listen);
        set(&mut raw, "tls.cert", "--tls-cert", self.tls_cert.as_ref().map(|path| path.display()));
        set(&mut raw, "tls.key", "--tls-key", self.tls_key.as_ref().map(|path| path.display()));
        set(&mut raw, "public_url", "--public-url", self.public_url.as_ref());
        welcome_server::Config::load(self.at.config.as_deref(), raw)
    }
}

fn set(raw: &mut Raw, key: &str, option: &'static str, value: Option<impl ToString>) {
    if let Some(value) = value {
        raw.set(key, Origin::Option(option), Value::Text(value.to_string()));
    }
}

const WRONG: &str = "expected a number with s, m, h or d, up to a year: 90m, 12h, 7d";
const MAX_TTL: Duration = Duration::from_secs(365 * 86_400);

fn duration(text: &str) -> Result<Duration, &'static str> {
    let unit = text.chars().last().ok_or(WRONG)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(WRONG),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or(WRONG)?;
    let duration = Duration::from_secs(number.checked_mul(seconds).ok_or(WRONG)?);
    if duration.is_zero() || duration > MAX_TTL { Err(WRONG) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_to_live_has_a_unit_and_an_end() {
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "1", "d", "0s", "-1d", "1.5h", "366d", "99999999999999999999d", "1é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_lives_longer_than_a_year(text in ".{0,30}|[0-9]{1,25}[smhd]") {
            prop_assert!(duration(&text).is_ok_and(|d| !d.is_zero() && d <= MAX_TTL) || duration(&text) == Err(WRONG));
        }
    }
}
