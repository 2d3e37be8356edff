//! Gives the answers of the control socket their meaning. Pure.
//!
//! Two forms exist: lines of `key=value`, and tables whose columns are separated by tabs, with a line of
//! headings. What lacks its necessary parts is left out; what is not known is passed over.

use crate::Mac;
use crate::text::{parse_mac, unescape};

/// The `key=value` lines of an answer, in order.
pub fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once('='))
}

/// One field of an answer.
#[must_use]
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    fields(text).find_map(|(name, value)| (name == key).then_some(value))
}

/// One bss in hostapd's `STATUS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bss {
    /// Its place on the radio.
    pub index: usize,
    /// Its network interface.
    pub ifname: String,
    /// Its address.
    pub bssid: Mac,
    /// Its name, at most 32 bytes.
    pub ssid: Vec<u8>,
}

/// hostapd's `STATUS`: one radio with its bss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Radio {
    /// `ENABLED` when it is on the air.
    pub state: String,
    /// Channel frequency in MHz.
    pub freq: Option<u32>,
    /// All bss of the radio, whichever of their sockets was asked.
    pub bss: Vec<Bss>,
}

impl Radio {
    /// Reads the answer to `STATUS`; `None` when it holds no state.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let indexed = |key: &str, index: usize| field(text, &format!("{key}[{index}]"));
        let bss = (0..MAX_BSS).map_while(|index| Some((index, indexed("bss", index)?)));
        Some(Self {
            state: field(text, "state")?.to_owned(),
            freq: field(text, "freq").and_then(|freq| freq.parse().ok()),
            bss: bss
                .filter_map(|(index, ifname)| {
                    Some(Bss {
                        index,
                        ifname: ifname.to_owned(),
                        bssid: parse_mac(indexed("bssid", index)?)?,
                        ssid: unescape(indexed("ssid", index)?),
                    })
                })
                .collect(),
        })
    }
}

/// One station in hostapd's `STA-FIRST`, `STA-NEXT` or `STA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// Its address.
    pub mac: Mac,
    /// Which key of the `wpa_psk_file` it used (see [`crate::Event::StationConnected`]).
    pub keyid: Option<String>,
    /// Whether it may send and receive. A station in the middle of its handshake is in the list, too.
    pub authorized: bool,
    /// Seconds since it associated.
    pub connected_s: Option<u32>,
}

impl Station {
    /// Reads the answer; `None` when its first line is no MAC address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self {
            mac: parse_mac(text.lines().next()?.trim_end())?,
            keyid: field(text, "keyid").map(str::to_owned),
            authorized: field(text, "flags").is_some_and(|flags| flags.contains("[AUTHORIZED]")),
            connected_s: field(text, "connected_time").and_then(|seconds| seconds.parse().ok()),
        })
    }
}

/// One bss that wpa_supplicant has heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its address.
    pub bssid: Mac,
    /// Channel frequency in MHz.
    pub freq: u32,
    /// Signal in dBm with most drivers; more is stronger.
    pub signal: i32,
    /// Seconds since it was heard, where that was asked for.
    pub age_s: Option<u32>,
    /// What it says about itself, such as `[WPA2-PSK-CCMP][ESS]`.
    pub flags: String,
    /// Its name; empty when it hides it.
    pub ssid: Vec<u8>,
}

impl Heard {
    /// Reads one line of `SCAN_RESULTS`.
    #[must_use]
    pub fn parse_row(line: &str) -> Option<Self> {
        // The SSID comes last, and a tab in it is escaped.
        let mut columns = line.splitn(5, '\t');
        Some(Self {
            bssid: parse_mac(columns.next()?)?,
            freq: columns.next()?.parse().ok()?,
            signal: columns.next()?.parse().ok()?,
            age_s: None,
            flags: columns.next()?.to_owned(),
            ssid: unescape(columns.next().unwrap_or_default()),
        })
    }

    /// Reads one entry of `BSS`.
    #[must_use]
    pub fn parse_entry(text: &str) -> Option<Self> {
        Some(Self {
            bssid: parse_mac(field(text, "bssid")?)?,
            freq: field(text, "freq")?.parse().ok()?,
            signal: field(text, "level")?.parse().ok()?,
            age_s: field(text, "age").and_then(|age| age.parse().ok()),
            flags: field(text, "flags").unwrap_or_default().to_owned(),
            ssid: field(text, "ssid").map(unescape).unwrap_or_default(),
        })
    }
}

/// Reads the answer to `SCAN_RESULTS`.
#[must_use]
pub fn scan_results(text: &str) -> Vec<Heard> {
    text.lines().filter_map(Heard::parse_row).collect()
}

/// One network in wpa_supplicant's `LIST_NETWORKS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub ssid: Vec<u8>,
    /// The only bss it may use, if it is bound to one.
    pub bssid: Option<Mac>,
    /// In use, or being joined.
    pub current: bool,
    /// Not to be used. `SELECT_NETWORK` does that to all but one.
    pub disabled: bool,
}

/// Reads the answer to `LIST_NETWORKS`.
#[must_use]
pub fn networks(text: &str) -> Vec<Network> {
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let id = columns.next()?.parse().ok()?;
        let ssid = unescape(columns.next()?);
        let bssid = columns.next().and_then(parse_mac);
        let flags = columns.next().unwrap_or_default();
        Some(Network { id, ssid, bssid, current: flags.contains("[CURRENT]"), disabled: flags.contains("[DISABLED]") })
    };
    text.lines().filter_map(row).collect()
}

/// wpa_supplicant's `STATUS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `COMPLETED` when connected; `DISCONNECTED`, `SCANNING`, `ASSOCIATING`, `4WAY_HANDSHAKE` …
    pub state: String,
    /// The access point.
    pub bssid: Option<Mac>,
    /// The network's name.
    pub ssid: Option<Vec<u8>>,
    /// Which of wpa_supplicant's networks it is.
    pub id: Option<u32>,
    /// Our own address on this connection.
    pub address: Option<Mac>,
}

impl Link {
    /// Reads the answer to `STATUS`; `None` when it holds no state.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self {
            state: field(text, "wpa_state")?.to_owned(),
            bssid: field(text, "bssid").and_then(parse_mac),
            ssid: field(text, "ssid").map(unescape),
            id: field(text, "id").and_then(|id| id.parse().ok()),
            address: field(text, "address").and_then(parse_mac),
        })
    }
}

/// hostapd itself allows fewer on one radio.
const MAX_BSS: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_radio_lists_all_its_bss() {
        let text = "state=ENABLED\nphy=phy0\nfreq=2412\nbss[0]=wlan0\nbssid[0]=02:00:00:00:00:00\n\
                    ssid[0]=caf\\xc3\\xa9\nnum_sta[0]=1\nbss[1]=wlan0_1\nbssid[1]=02:00:00:00:00:01\n\
                    ssid[1]=a=b\nnum_sta[1]=0\n";
        let radio = Radio::parse(text).unwrap();
        assert_eq!((radio.state.as_str(), radio.freq), ("ENABLED", Some(2412)));
        assert_eq!(
            radio.bss,
            [
                Bss { index: 0, ifname: "wlan0".into(), bssid: [2, 0, 0, 0, 0, 0], ssid: "café".into() },
                Bss { index: 1, ifname: "wlan0_1".into(), bssid: [2, 0, 0, 0, 0, 1], ssid: "a=b".into() },
            ]
        );
    }

    #[test]
    fn a_hidden_network_has_an_empty_name() {
        let heard = Heard::parse_row("02:00:00:00:00:00\t2412\t-20\t[WPA2-PSK-CCMP][ESS]\t").unwrap();
        assert_eq!(heard.ssid, b"");
    }

    proptest! {
        #[test]
        fn any_text_can_be_read_as_any_answer(text: String) {
            let _radio: Option<Radio> = Radio::parse(&text);
            let _station: Option<Station> = Station::parse(&text);
            let _link: Option<Link> = Link::parse(&text);
            let _heard: Option<Heard> = Heard::parse_entry(&text);
            let _networks: Vec<Network> = networks(&text);
            let _results: Vec<Heard> = scan_results(&text);
        }

        #[test]
        fn a_name_of_any_bytes_survives_the_table(ssid: Vec<u8>) {
            let line = format!("02:00:00:00:00:00\t2412\t-20\t[ESS]\t{}", crate::text::escape(&ssid));
            prop_assert_eq!(Heard::parse_row(&line).map(|heard| heard.ssid), Some(ssid));
        }
    }
}
