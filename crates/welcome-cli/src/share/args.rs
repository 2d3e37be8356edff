//! Options of `welcome share`.
//!
//! In: arguments. Out: checked options. Nothing is done here.

use clap::{Args, Subcommand};
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use welcome_proto::{ChallengeId, NetworkId, OfferId, RouterId, Secret, Ssid, lan};

/// What a sharer does by hand.
#[derive(Debug, Clone, Subcommand)]
pub enum Share {
    /// Show the networks on the air, the strongest first, and which of them are shared
    List,
    /// Show how each of your networks stands with the directory
    Status,
    /// Prove that a network is yours: it carries another name for some minutes, and this computer listens
    ///
    /// The router's agent changes the name and changes it back. At a router without one you do, when you are told to. A
    /// network that the directory does not know yet is offered first. With --challenge and --code this computer is the
    /// witness of a challenge that was asked for elsewhere, and needs no token.
    Verify(Verify),
    /// Show, write or change the message of a network
    ///
    /// What is not given stays as it is. Without any part of a message, those that there are are shown.
    Offer(Offer),
    /// Say the messages of a network from this computer, which is in it, until it is interrupted
    ///
    /// Guests find them by multicast DNS. They are gotten from the directory and kept: from then on it goes on without a
    /// server. At a router with an agent nobody needs this.
    Serve(Serve),
    /// Take a network out of the directory whose router has no agent
    Remove(Which),
}

/// Which network; the strongest one on the air, if nothing is said.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Your network of this name at the directory
    #[arg(long, value_name = "[ROUTER/]NETWORK")]
    pub network: Option<NetworkName>,
    /// The network that is called this on the air
    #[arg(long, value_name = "SSID", conflicts_with = "network")]
    pub ssid: Option<Ssid>,
}

/// How to prove it.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Gives the passphrase in this file to the directory, for applications that you allow to have it; only with a network
    /// that the directory does not know yet
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The challenge to bear witness of
    #[arg(long, value_name = "ID", requires = "code", conflicts_with_all = ["network", "ssid", "key_file"])]
    pub challenge: Option<ChallengeId>,
    /// The code that goes with it
    #[arg(long, value_name = "CODE", requires = "challenge", value_parser = secret)]
    pub code: Option<Secret>,
}

/// A message.
#[derive(Debug, Clone, Args)]
pub struct Offer {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Which of its messages
    #[arg(long, value_name = "ID", default_value = "welcome")]
    pub id: OfferId,
    /// One line
    #[arg(long)]
    pub title: Option<String>,
    /// The message
    #[arg(long)]
    pub text: Option<String>,
    /// Where to read on
    #[arg(long, value_name = "URL")]
    pub link: Option<String>,
    /// Until when it is shown: a number with s, m, h or d from this moment, @SECONDS of Unix time, or never
    #[arg(long, value_name = "TIME")]
    pub until: Option<Until>,
    /// 0 to 100, the higher comes first
    #[arg(long, value_name = "NUMBER")]
    pub priority: Option<u8>,
    /// Takes it away
    #[arg(long, conflicts_with_all = ["title", "text", "link", "until", "priority"])]
    pub remove: bool,
}

impl Offer {
    /// Whether some of a message is given.
    pub(super) fn says_something(&self) -> bool {
        let Self { title, text, link, until, priority, .. } = self;
        title.is_some() || text.is_some() || link.is_some() || until.is_some() || priority.is_some()
    }
}

/// How to say the messages of a network in it.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// The port at which they are; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = lan::PORT)]
    pub port: u16,
}

/// A network as the directory names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkName {
    /// Absent where the network's own name will do.
    pub router: Option<RouterId>,
    /// Its router's name for it.
    pub network: NetworkId,
}

impl FromStr for NetworkName {
    type Err = welcome_proto::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (router, network) = match text.split_once('/') {
            Some((router, network)) => (Some(router.parse()?), network),
            None => (None, text),
        };
        Ok(Self { router, network: network.parse()? })
    }
}

/// When a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It does not.
    Never,
    /// So long from now.
    In(Duration),
    /// At this second of Unix time.
    At(u64),
}

impl FromStr for Until {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected e.g. 90m, 12h, 7d, @1795406600 or never";
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Some(at) = text.strip_prefix('@') {
            return at.parse().map(Self::At).map_err(|_| wrong);
        }
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(wrong),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong)?;
        Ok(Self::In(Duration::from_secs(u64::from(number) * unit)))
    }
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_a_moment_or_none() {
        let hour = Until::In(Duration::from_secs(3600));
        for (text, until) in [("1h", hour), ("60m", hour), ("@17", Until::At(17)), ("never", Until::Never)] {
            assert_eq!(text.parse(), Ok(until), "{text}");
        }
        for bad in ["", "h", "1", "-1h", "1.5h", "@", "@-1", "1é", "tomorrow", "99999999999d"] {
            assert!(bad.parse::<Until>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_may_be_named_with_its_router() {
        let name: NetworkName = "r-1/cafe".parse().unwrap();
        assert_eq!((name.router.unwrap().as_str(), name.network.as_str()), ("r-1", "cafe"));
        assert_eq!("cafe".parse::<NetworkName>().unwrap().router, None);
        for bad in ["", "/cafe", "r-1/", "a/b/c"] {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad}");
        }
    }
}
