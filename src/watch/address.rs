//! Whose address is whose: from dnsmasq's leases and the kernel's neighbour table.
//!
//! In: the leases file as it changes, [`Neighbours`], and addresses somebody wants to know. Out: address events. A
//! lease is known before the station's first packet; the neighbour table knows those that never ask DHCP.

use sorted::SortedMap;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};
use welcome_core::Event;
use welcome_proto::Mac;

use super::Heard;
use super::neighbour::Neighbours;
use crate::tasks::Stop;

/// How often the leases file is looked at; one system call. The neighbour table tells at once by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most of a leases file that is read: some ten thousand leases.
const MAX_LEASES: u64 = 1 << 20;

/// Watches addresses.
pub struct Watch {
    leases: Leases,
    neighbours: Neighbours,
    wanted: mpsc::Receiver<IpAddr>,
    /// Whether somebody was told that the kernel does not answer.
    complained: bool,
}

impl Watch {
    /// Of the leases in the file at `leases`. Addresses that come by `wanted` are looked for at once.
    #[must_use]
    pub fn new(leases: &Path, neighbours: Neighbours, wanted: mpsc::Receiver<IpAddr>) -> Self {
        Self { leases: Leases::new(leases), neighbours, wanted, complained: false }
    }

    /// Watches until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, to: mpsc::Sender<Heard>, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            outcome = self.watch(&to) => outcome,
            () = stop.stopped() => Ok(()),
        }
    }

    /// Asks for the neighbour table. A kernel that does not tell of it leaves the leases.
    async fn ask(&mut self) {
        if let Err(error) = self.neighbours.ask().await
            && !std::mem::replace(&mut self.complained, true)
        {
            warn!(%error, "the kernel does not tell who has which address; only the leases do");
        }
    }

    async fn watch(mut self, to: &mpsc::Sender<Heard>) -> anyhow::Result<()> {
        let mut second = interval(LOOK_EVERY);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.ask().await;
        loop {
            let events = tokio::select! {
                neighbour = self.neighbours.next() => match neighbour {
                    Ok((mac, ip)) => vec![Event::AddressLearned { mac, ip }],
                    Err(error) => {
                        // More came than we took: some were lost.
                        debug!(%error, "asking for the whole neighbour table again");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        self.ask().await;
                        continue;
                    }
                },
                _ = second.tick() => self.leases.look(),
                Some(ip) = self.wanted.recv() => {
                    self.ask().await;
                    let held = self.leases.held.get(&ip);
                    held.map(|mac| Event::AddressLearned { mac: *mac, ip }).into_iter().collect()
                }
            };
            for event in events {
                if to.send(Heard::now(event)).await.is_err() {
                    return Ok(()); // the agent ends
                }
            }
        }
    }
}

/// The leases as they were last read.
#[derive(Debug)]
struct Leases {
    file: PathBuf,
    seen: Option<(SystemTime, u64)>,
    held: SortedMap<IpAddr, Mac>,
    complained: bool,
}

impl Leases {
    fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), seen: None, held: SortedMap::new(), complained: false }
    }

    /// Reads the file if it changed, and says what is different.
    fn look(&mut self) -> Vec<Event> {
        match self.read_if_changed() {
            Ok(Some(text)) => {
                self.complained = false;
                self.take(parse_leases(&text))
            }
            Ok(None) => vec![],
            // No DHCP server has written one yet, or there is none on this router.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.seen = None;
                self.take(SortedMap::new())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    warn!(file = %self.file.display(), %error, "the leases cannot be read; addresses come from the neighbour table alone");
                }
                vec![]
            }
        }
    }

    fn read_if_changed(&mut self) -> io::Result<Option<String>> {
        let about = std::fs::metadata(&self.file)?;
        let seen = Some((about.modified()?, about.len()));
        if self.seen == seen {
            return Ok(None);
        }
        let mut text = Vec::new();
        std::fs::File::open(&self.file)?.take(MAX_LEASES).read_to_end(&mut text)?;
        // Within one tick of the file system's clock it may be written again and look the same.
        let settled = about.modified()?.elapsed().is_ok_and(|age| age > LOOK_EVERY * 2);
        self.seen = seen.filter(|_| settled);
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    fn take(&mut self, now: SortedMap<IpAddr, Mac>) -> Vec<Event> {
        let before = std::mem::replace(&mut self.held, now);
        let lost = before.keys().filter(|ip| !self.held.contains_key(ip)).map(|ip| Event::AddressLost { ip: *ip });
        let news = self.held.iter().filter(|(ip, mac)| before.get(ip) != Some(mac));
        lost.chain(news.map(|(ip, mac)| Event::AddressLearned { mac: *mac, ip: *ip })).collect()
    }
}

/// Reads dnsmasq's leases: `expiry mac address name client-id`, one a line. DHCPv6 leases name no MAC address and are
/// passed over, as is everything else that does not fit.
#[must_use]
pub fn parse_leases(text: &str) -> SortedMap<IpAddr, Mac> {
    let lease = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (_expiry, mac, ip) = (words.next()?.parse::<u64>().ok()?, words.next()?, words.next()?);
        Some((ip.parse().ok()?, mac.parse().ok()?))
    };
    text.lines().filter_map(lease).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "1795404135 02:00:00:00:01:00 10.77.0.221 * 01:02:00:00:00:01:00\n\
                        1795404135 02:00:00:00:02:00 10.77.0.93 phone *\n\
                        duid 00:01:00:01:30:b1:5a:00:02:00:00:00:00:00\n\
                        1795404135 16777216 fd00::93 phone 00:01:00:01\n";

    #[test]
    fn leases_are_read_and_the_rest_is_passed_over() {
        let leases = parse_leases(TEXT);
        assert_eq!(leases.len(), 2);
        assert_eq!(leases[&"10.77.0.93".parse().unwrap()], "02:00:00:00:02:00".parse().unwrap());
    }

    #[test]
    fn only_what_is_different_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("leases");
        let mut leases = Leases::new(&file);
        assert_eq!(leases.look(), []);
        std::fs::write(&file, TEXT).unwrap();
        assert_eq!(leases.look().len(), 2);
        assert_eq!(leases.look(), []);
        std::fs::write(&file, TEXT.replace("02:00:00:00:02:00", "02:00:00:00:03:00").replace("10.77.0.221", "x"))
            .unwrap();
        let (gone, new) = ("10.77.0.221".parse().unwrap(), "10.77.0.93".parse().unwrap());
        let mac = "02:00:00:00:03:00".parse().unwrap();
        assert_eq!(leases.look(), [Event::AddressLost { ip: gone }, Event::AddressLearned { mac, ip: new }]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(leases.look(), [Event::AddressLost { ip: new }]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,300}") {
            prop_assert!(parse_leases(&text).len() <= text.lines().count());
        }
    }
}
