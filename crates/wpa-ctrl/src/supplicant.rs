//! What one asks of wpa_supplicant: hear, join, and go back.
//!
//! In: a [`Control`] on a station's interface. Out: what is heard, and wpa_supplicant's list of networks.
//! Nothing here saves wpa_supplicant's configuration: whatever is added is gone when it restarts.

use crate::reply::{self, Heard, Link, Network};
use crate::text::{format_hex, format_mac};
use crate::{Control, Error, Mac};

/// Asks for a scan, of these frequencies in MHz or, when there are none, of all channels.
/// [`crate::Event::ScanResults`] says when it is done.
///
/// # Errors
/// As [`Control::order`]; refused with `FAIL-BUSY` while another scan is under way.
pub async fn scan(control: &mut Control, freqs: &[u32]) -> Result<(), Error> {
    let mut command = String::from("SCAN");
    for (index, freq) in freqs.iter().enumerate() {
        command.push_str(if index == 0 { " freq=" } else { "," });
        command.push_str(&freq.to_string());
    }
    control.order(&command).await
}

/// Everything that was heard lately, also in earlier scans: look at the age.
///
/// An answer holds 4 KiB, which is about sixty bss, and `SCAN_RESULTS` leaves out the rest without a word.
/// So this asks page by page.
///
/// # Errors
/// As [`Control::ask`].
pub async fn scan_results(control: &mut Control) -> Result<Vec<Heard>, Error> {
    let mut heard = Vec::new();
    let mut next = 0;
    for _ in 0..MAX_PAGES {
        let page = control.ask(&format!("BSS RANGE={next}- MASK={BSS_MASK:#x}")).await?;
        match page_of(&page, &mut heard) {
            Some(last) if !page.ends_with(LAST_ENTRY) => next = last + 1,
            _ => break,
        }
    }
    Ok(heard)
}

/// The connection as it is.
///
/// # Errors
/// As [`Control::ask`]; [`Error::Nonsense`] when the answer is no status.
pub async fn status(control: &mut Control) -> Result<Link, Error> {
    Link::parse(&control.ask("STATUS").await?)
        .ok_or(Error::Nonsense { command: "STATUS".into(), why: "it holds no state" })
}

/// wpa_supplicant's networks.
///
/// An answer holds 4 KiB; the rest is asked for by `LAST_ID`.
///
/// # Errors
/// As [`Control::ask`].
pub async fn networks(control: &mut Control) -> Result<Vec<Network>, Error> {
    let mut networks = reply::networks(&control.ask("LIST_NETWORKS").await?);
    for _ in 0..MAX_PAGES {
        let Some(last) = networks.last() else { break };
        let more = reply::networks(&control.ask(&format!("LIST_NETWORKS LAST_ID={}", last.id)).await?);
        // Without support for LAST_ID the same answer comes again.
        let more: Vec<_> = more.into_iter().filter(|new| networks.iter().all(|old| old.id != new.id)).collect();
        if more.is_empty() {
            break;
        }
        networks.extend(more);
    }
    Ok(networks)
}

/// How a network is joined.
#[derive(Clone, Copy)]
pub struct Join<'a> {
    /// Its name.
    pub ssid: &'a [u8],
    /// The only bss to use.
    pub bssid: &'a Mac,
    /// The frequency on which that bss was heard, in MHz: no other need be scanned.
    pub freq: Option<u32>,
    /// How to authenticate.
    pub security: Security<'a>,
}

/// How to authenticate.
#[derive(Clone, Copy)]
pub enum Security<'a> {
    /// No key, no encryption.
    Open,
    /// No key, encrypted (OWE).
    Owe,
    /// A passphrase of 8 to 63 printable characters.
    Passphrase {
        /// The passphrase.
        phrase: &'a str,
        /// WPA-PSK may be used.
        psk: bool,
        /// SAE may be used.
        sae: bool,
    },
}

/// Adds a network without using it; returns its number.
///
/// # Errors
/// As [`Control::ask`]; [`Error::Nonsense`] when the answer is no number.
pub async fn add_network(control: &mut Control) -> Result<u32, Error> {
    control
        .ask("ADD_NETWORK")
        .await?
        .trim_end()
        .parse()
        .map_err(|_| Error::Nonsense { command: "ADD_NETWORK".into(), why: "it is no number" })
}

/// Says how an added network is to be joined. Deriving the key from a passphrase takes wpa_supplicant about
/// a tenth of a second.
///
/// # Errors
/// As [`Control::order`]; [`Error::Misuse`] for a passphrase that cannot be one.
pub async fn set_network(control: &mut Control, id: u32, join: Join<'_>) -> Result<(), Error> {
    for (variable, value) in settings(join)? {
        control.order(&format!("SET_NETWORK {id} {variable} {value}")).await?;
    }
    Ok(())
}

/// Uses this network and disables all others.
///
/// # Errors
/// As [`Control::order`].
pub async fn select_network(control: &mut Control, id: u32) -> Result<(), Error> {
    control.order(&format!("SELECT_NETWORK {id}")).await
}

/// Lets a network be used, beside others.
///
/// # Errors
/// As [`Control::order`].
pub async fn enable_network(control: &mut Control, id: u32) -> Result<(), Error> {
    control.order(&format!("ENABLE_NETWORK {id}")).await
}

/// Forgets a network, and leaves it when it is in use.
///
/// # Errors
/// As [`Control::order`]; refused when there is none with this number.
pub async fn remove_network(control: &mut Control, id: u32) -> Result<(), Error> {
    control.order(&format!("REMOVE_NETWORK {id}")).await
}

fn settings(join: Join<'_>) -> Result<Vec<(&'static str, String)>, Error> {
    // In hexadecimal every name is possible.
    let mut settings = vec![("ssid", format_hex(join.ssid)), ("bssid", format_mac(join.bssid))];
    if let Some(freq) = join.freq {
        settings.push(("scan_freq", freq.to_string()));
    }
    match join.security {
        Security::Open => settings.push(("key_mgmt", "NONE".into())),
        Security::Owe => {
            settings.push(("key_mgmt", "OWE".into()));
            settings.push(("ieee80211w", "2".into()));
        }
        Security::Passphrase { phrase, psk, sae } => {
            let printable = phrase.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if !printable || !(8..=63).contains(&phrase.len()) {
                return Err(Error::Misuse {
                    command: "SET_NETWORK".into(),
                    why: "a passphrase has 8 to 63 printable characters",
                });
            }
            let (methods, protection) = match (psk, sae) {
                (true, true) => ("WPA-PSK SAE", "1"),
                (false, true) => ("SAE", "2"),
                _ => ("WPA-PSK", "1"),
            };
            settings.push(("key_mgmt", methods.into()));
            // Management frames: SAE must protect them, WPA-PSK may.
            settings.push(("ieee80211w", protection.into()));
            // What is in quotes ends at the last quote, so a quote inside needs no escape.
            settings.push(("psk", format!("\"{phrase}\"")));
        }
    }
    Ok(settings)
}

/// Adds the entries of one page; the number of its last, or `None` when it had none.
fn page_of(page: &str, heard: &mut Vec<Heard>) -> Option<u32> {
    let mut last = None;
    for entry in page.split("====\n") {
        if let Some(id) = reply::field(entry, "id").and_then(|id| id.parse().ok()) {
            last = Some(id);
            heard.extend(Heard::parse_entry(entry));
        }
    }
    last
}

/// Which parts of a bss are wanted (`WPA_BSS_MASK_…` in wpa_ctrl.h): id, bssid, freq, level, age, flags,
/// ssid, and a line between entries.
const BSS_MASK: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 7 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 17;

/// What stands behind the very last entry; behind the others it is `====`.
const LAST_ENTRY: &str = "####\n";

/// Some twenty entries each; wpa_supplicant keeps 200 unless told to keep more.
const MAX_PAGES: usize = 100;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_the_number_of_its_last_entry() {
        let page = "id=3\nbssid=02:00:00:00:00:00\nfreq=2412\nlevel=-20\nage=1\nflags=[ESS]\nssid=a\n====\n\
                    id=7\nbssid=02:00:00:00:00:01\nfreq=2412\nlevel=-30\nage=2\nflags=[ESS]\nssid=b\n####\n";
        let mut heard = Vec::new();
        assert_eq!(page_of(page, &mut heard), Some(7));
        assert_eq!(heard.len(), 2);
        assert_eq!((heard[1].signal, heard[1].age_s), (-30, Some(2)));
    }

    #[test]
    fn a_passphrase_that_would_break_the_line_is_refused() {
        let join = |phrase| Join {
            ssid: b"x",
            bssid: &[2, 0, 0, 0, 0, 0],
            freq: None,
            security: Security::Passphrase { phrase, psk: true, sae: false },
        };
        assert!(settings(join("long enough\n")).is_err());
        assert!(settings(join("short")).is_err());
        let quoted = settings(join("with \" inside")).unwrap();
        assert_eq!(quoted.last(), Some(&("psk", "\"with \" inside\"".to_owned())));
    }
}
