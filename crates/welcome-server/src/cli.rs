//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
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
    /// Print a token that enrols one router; the server may be running
    Token(Token),
    /// Print a token for a program; the server may be running
    ApiToken(ApiToken),
    /// Seal all keys under another master key; the server must not be running
    ///
    /// Whoever is interrupted runs it again: it goes on where it was.
    RotateKey(RotateKey),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8480")]
    pub(crate) listen: SocketAddr,
    /// Where everything is kept; made if it is not there
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
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
    /// The server's data directory
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
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
    /// The server's data directory
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
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
pub(crate) struct RotateKey {
    /// The server's data directory
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
    /// The new master key (64 hexadecimal digits); one is made without it
    #[arg(long, value_name = "FILE")]
    pub(crate) new: Option<PathBuf>,
}

const DATA: &str = "welcome-data";
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
