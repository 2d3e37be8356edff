//! The command line.
//!
//! In: arguments. Out: checked options, or a text for the user. Nothing is done here.

use crate::directory::parse_server;
use crate::place::Position;
use crate::radio::Manager;
use crate::share::args::Share;
use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use welcome_proto::lan;

/// Find a shared Wi-Fi around here, join it, and receive its message.
///
/// The networks that people share are in the list of a directory server. `welcome` compares it with what is on the air,
/// joins the strongest listed network by NetworkManager or wpa_supplicant, and asks the router for the message of whoever shares it.
///
/// Messages go to standard output, everything else to standard error; with --json all goes to standard output, one
/// object a line.
#[derive(Debug, Parser)]
#[command(name = "welcome", version, after_help = EXIT, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for all of it.
    #[command(flatten)]
    pub common: Common,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Get the list of shared networks from the directory and keep it
    Fetch(Fetch),
    /// Show what is on the air, and what of it is in the list
    Scan,
    /// Join the strongest listed network and receive its message
    Connect(Join),
    /// Receive the message of the network this computer is connected to already
    Receive(Wait),
    /// Join, stay, show each message as it comes, and join again when the network is lost
    Watch(Join),
    /// Leave the network that `connect` joined, and let the former ones be used again
    Leave,
    /// For who shares a network: offer it, prove that it is yours, write its message
    #[command(subcommand)]
    Share(Share),
    /// Print what a shell needs to complete our words: `welcome completions bash > FILE`
    Completions(Completions),
}

/// For which shell.
#[derive(Debug, Clone, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// How to fetch.
#[derive(Debug, Clone, Args)]
pub struct Fetch {
    /// Trusts the key that the directory signs with at this moment, whatever it was before
    #[arg(long)]
    pub trust_new_key: bool,
}

/// How to join.
#[derive(Debug, Clone, Args)]
pub struct Join {
    /// Runs this by `sh -c` once joined, with $INTERFACE set, to get an address, and ends it when this program ends; what it
    /// writes to $CAPTIVE_URI_FILE is the captive portal API that the lease names (DHCP option 114) (default: the system's own DHCP client does that; NetworkManager always does)
    #[arg(long, value_name = "CMD")]
    pub dhcp: Option<String>,
    /// How long joining may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    pub join_wait: Duration,
    /// Leaves the network that this computer is connected to, if it finds a shared one; it is joined again at the end
    #[arg(long)]
    pub replace: bool,
    /// How to wait.
    #[command(flatten)]
    pub wait: Wait,
}

/// How to wait for the message.
#[derive(Debug, Clone, Args)]
pub struct Wait {
    /// How long to wait for a message once joined
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub wait: Duration,
    /// Asks this address for the message, and not the interface's default gateway
    #[arg(long, value_name = "IP")]
    pub gateway: Option<IpAddr>,
    /// The captive portal API of the network (RFC 8908): where to read on if no message comes
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    pub captive_uri: Option<Url>,
    /// Shows messages as notifications of the desktop, too
    #[arg(long)]
    pub notify: bool,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The Wi-Fi interface (default: the first one)
    #[arg(short, long, global = true, value_name = "NAME", value_parser = interface)]
    pub interface: Option<String>,
    /// Who manages the interface
    #[arg(long, global = true, value_enum, default_value_t = Manager::Auto)]
    pub manager: Manager,
    /// Where wpa_supplicant has its control sockets (default: /run/wpa_supplicant or /var/run/wpa_supplicant)
    #[arg(long, global = true, value_name = "DIR")]
    pub ctrl_dir: Option<PathBuf>,
    /// Where the list is kept (default: $XDG_STATE_HOME/welcome or ~/.local/state/welcome)
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The directory server, https://HOST
    #[arg(long, global = true, value_name = "URL", value_parser = parse_server)]
    pub server: Option<Url>,
    /// Trusts the certificate authorities in this PEM file, too
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Shows the directory the API token in this file: without one it gives no keys, and nothing can be shared
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Asks the directory only for the region around here, and its neighbours: LAT,LON, or `geoclue` to ask this system
    #[arg(long, global = true, value_name = "PLACE", allow_hyphen_values = true, conflicts_with = "place_command")]
    pub place: Option<Position>,
    /// The same, for a command that `sh -c` runs and that prints LAT,LON
    #[arg(long, global = true, value_name = "CMD")]
    pub place_command: Option<String>,
    /// Tells the directory which networks are heard, if none of them is in a list that is kept
    #[arg(long, global = true)]
    pub ask: bool,
    /// Scans only this frequency (repeat or separate by commas); NetworkManager scans all the same
    #[arg(long, global = true, value_name = "MHZ", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(2000..8000))]
    pub freq: Vec<u32>,
    /// Joins only where so many listed addresses are heard, even if their area asks for fewer
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub at_least: u32,
    /// The port at which routers have their messages
    #[arg(long, global = true, value_name = "PORT", default_value_t = lan::PORT)]
    pub portal_port: u16,
    /// Says everything as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Logs what is done and why, with addresses and names
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

fn interface(text: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_graphic() && b != b'/';
    if (1..=15).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err("expected the name of a network interface")
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let wrong = "expected a number of seconds, at most a day";
    let seconds: f64 = text.parse().map_err(|_| wrong)?;
    if (0.0..=86_400.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong) }
}

const EXIT: &str = "\
Exit status:
    0  a message arrived, or a link to read on (or, for the other commands: done)
    3  joined, but no message came; this computer stays connected
    4  none of the listed networks is on the air (share: not the one that is meant)
    5  joining failed; everything is as before
    6  this computer is connected to another network, and --replace was not given
    7  the network was not verified; what was asked of the server is taken back
   64  the arguments are wrong
   69  the directory cannot be reached and no list is kept (share: it cannot be reached)
  130  interrupted; everything is as before
    1  the rest";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_and_behind_the_command() {
        let cli = Cli::parse_from(["welcome", "--json", "connect", "--freq", "2412,2437", "--place", "-1.5,2"]);
        assert!(cli.common.json);
        assert_eq!(cli.common.freq, [2412, 2437]);
        assert_eq!(cli.common.place, Some("-1.5,2".parse().unwrap()));
    }

    #[test]
    fn an_interface_cannot_lead_out_of_its_directory() {
        for bad in ["../x", "a/b", "", "..", "a name", "sixteen-letters-"] {
            assert!(Cli::try_parse_from(["welcome", "scan", "--interface", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_a_number_that_a_clock_can_hold() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["-1", "NaN", "inf", "1e300", "", "10s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
