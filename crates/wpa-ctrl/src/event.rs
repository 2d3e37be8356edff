//! Gives one line of an attached control socket its meaning. Pure.
//!
//! In: text such as `<3>AP-STA-CONNECTED 02:00:00:00:01:00 keyid=shared`. Out: an [`Event`]. No line is
//! refused: what is not known, or lacks what it should have, is kept as text.
//!
//! Only the start of a line decides what it is. Text that came over the air (an SSID) stands further
//! back, and quoted, so nobody can send us an event by choosing a name.

use crate::Mac;
use crate::text::{from_datagram, parse_mac};

/// What the program said unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// hostapd: a station may send and receive (`AP-STA-CONNECTED`).
    StationConnected {
        /// The station.
        mac: Mac,
        /// Which key of the `wpa_psk_file` it used. hostapd says so for WPA2-PSK only, not for SAE,
        /// OWE or open networks.
        keyid: Option<String>,
        /// How it authenticated (`open`, `sae`, `ft` …), where hostapd says so (OpenWrt's does).
        auth_alg: Option<String>,
    },
    /// hostapd: a station is gone (`AP-STA-DISCONNECTED`). When it went to another of our radios,
    /// this comes after the [`Event::StationConnected`] there.
    StationDisconnected {
        /// The station.
        mac: Mac,
    },
    /// hostapd: the four-way handshake ended well (`EAPOL-4WAY-HS-COMPLETED`).
    HandshakeCompleted {
        /// The station.
        mac: Mac,
    },
    /// hostapd: a station tried a wrong key (`AP-STA-POSSIBLE-PSK-MISMATCH`), about once a second.
    PskMismatch {
        /// The station.
        mac: Mac,
    },
    /// hostapd: the bss is on the air (`AP-ENABLED`).
    ApEnabled,
    /// hostapd: the bss is off the air (`AP-DISABLED`).
    ApDisabled,

    /// wpa_supplicant: a scan has begun.
    ScanStarted,
    /// wpa_supplicant: a scan has ended well.
    ScanResults,
    /// wpa_supplicant: a scan could not be done.
    ScanFailed,
    /// wpa_supplicant: joined, and the keys are in place (`CTRL-EVENT-CONNECTED`).
    Connected {
        /// The access point.
        bssid: Mac,
        /// Which of wpa_supplicant's networks it is.
        id: Option<u32>,
    },
    /// wpa_supplicant: associated; with a key, the handshake comes next.
    Associated {
        /// The access point.
        bssid: Mac,
    },
    /// wpa_supplicant: the connection ended (`CTRL-EVENT-DISCONNECTED`).
    Disconnected {
        /// The access point.
        bssid: Mac,
        /// Reason code of IEEE 802.11, 9.4.1.7.
        reason: Option<u16>,
        /// Whether we ended it.
        locally_generated: bool,
    },
    /// wpa_supplicant: the access point refused authentication or association.
    Rejected {
        /// The access point, where it is named.
        bssid: Option<Mac>,
        /// Status code of IEEE 802.11, 9.4.1.9.
        status: Option<u16>,
    },
    /// wpa_supplicant: a network is not tried for some seconds after a failure.
    TemporarilyDisabled {
        /// Which of wpa_supplicant's networks it is.
        id: Option<u32>,
        /// Failures so far.
        failures: Option<u32>,
        /// For how many seconds it is not tried.
        duration_s: Option<u32>,
        /// `WRONG_KEY`, `CONN_FAILED`, `AUTH_FAILED` …
        reason: Option<String>,
    },
    /// wpa_supplicant: the handshake failed as it does with a wrong key. A strained access point
    /// looks the same.
    HandshakeFailed,
    /// wpa_supplicant: nothing among the scan results matches an enabled network. Comes first after
    /// every `SELECT_NETWORK`, where it means nothing.
    NetworkNotFound,

    /// Either program: it ends (`CTRL-EVENT-TERMINATING`).
    Terminating,
    /// Anything else, without its level.
    Other(String),
}

impl Event {
    /// Gives a datagram its meaning.
    ///
    /// ```
    /// use wpa_ctrl::Event;
    /// assert_eq!(Event::parse(b"<3>AP-ENABLED "), Event::ApEnabled);
    /// assert_eq!(Event::parse(b"<3>NEW-THING 1"), Event::Other("NEW-THING 1".into()));
    /// ```
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Self {
        let text = from_datagram(datagram);
        let line = without_level(text.trim_end());
        known(line).unwrap_or_else(|| Self::Other(line.to_owned()))
    }
}

/// Whether a datagram is an event and not an answer to a command: only events begin with a level.
pub(crate) fn is_event(datagram: &[u8]) -> bool {
    matches!(datagram, [b'<', b'0'..=b'9', b'>', ..])
}

fn without_level(line: &str) -> &str {
    if is_event(line.as_bytes()) { &line[3..] } else { line }
}

fn known(line: &str) -> Option<Event> {
    if let Some(rest) = line.strip_prefix("Associated with ") {
        return Some(Event::Associated { bssid: parse_mac(rest)? });
    }
    if line.starts_with("WPA: 4-Way Handshake failed") {
        return Some(Event::HandshakeFailed);
    }
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let first_mac = || parse_mac(rest.split(' ').next()?);
    let value = |key| value_of(rest, key);
    let small = |key| value(key).and_then(|text| text.parse().ok());
    Some(match name {
        "AP-STA-CONNECTED" => Event::StationConnected {
            mac: first_mac()?,
            keyid: value("keyid").map(str::to_owned),
            auth_alg: value("auth_alg").map(str::to_owned),
        },
        "AP-STA-DISCONNECTED" => Event::StationDisconnected { mac: first_mac()? },
        "EAPOL-4WAY-HS-COMPLETED" => Event::HandshakeCompleted { mac: first_mac()? },
        "AP-STA-POSSIBLE-PSK-MISMATCH" => Event::PskMismatch { mac: first_mac()? },
        "AP-ENABLED" => Event::ApEnabled,
        "AP-DISABLED" => Event::ApDisabled,
        "CTRL-EVENT-SCAN-STARTED" => Event::ScanStarted,
        "CTRL-EVENT-SCAN-RESULTS" => Event::ScanResults,
        "CTRL-EVENT-SCAN-FAILED" => Event::ScanFailed,
        // "- Connection to 02:00:00:00:00:00 completed [id=0 id_str=]"
        "CTRL-EVENT-CONNECTED" => Event::Connected {
            bssid: rest.split(' ').find_map(parse_mac)?,
            id: rest.split(' ').find_map(|word| word.strip_prefix("[id=")).and_then(|id| id.parse().ok()),
        },
        "CTRL-EVENT-DISCONNECTED" => Event::Disconnected {
            bssid: value("bssid").and_then(parse_mac)?,
            reason: small("reason"),
            locally_generated: value("locally_generated") == Some("1"),
        },
        "CTRL-EVENT-ASSOC-REJECT" | "CTRL-EVENT-AUTH-REJECT" => Event::Rejected {
            // An authentication is refused with the bare address in front.
            bssid: value("bssid").and_then(parse_mac).or_else(first_mac),
            status: small("status_code"),
        },
        "CTRL-EVENT-SSID-TEMP-DISABLED" => {
            // id=0 ssid="…" auth_failures=1 duration=10 reason=WRONG_KEY. The SSID is the air's:
            // what follows is looked for behind its last quote.
            let (before, behind) = rest.rsplit_once('"').unwrap_or((rest, rest));
            let number = |key| value_of(behind, key).and_then(|text| text.parse().ok());
            Event::TemporarilyDisabled {
                id: value_of(before.split(" ssid=").next()?, "id").and_then(|text| text.parse().ok()),
                failures: number("auth_failures"),
                duration_s: number("duration"),
                reason: value_of(behind, "reason").map(str::to_owned),
            }
        }
        "CTRL-EVENT-NETWORK-NOT-FOUND" => Event::NetworkNotFound,
        "CTRL-EVENT-TERMINATING" => Event::Terminating,
        _ => return None,
    })
}

fn value_of<'a>(words: &'a str, key: &str) -> Option<&'a str> {
    words.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATION: Mac = [2, 0, 0, 0, 1, 0];

    #[test]
    fn a_station_comes_with_the_name_of_its_key() {
        assert_eq!(
            Event::parse(b"<3>AP-STA-CONNECTED 02:00:00:00:01:00 keyid=alice"),
            Event::StationConnected { mac: STATION, keyid: Some("alice".into()), auth_alg: None }
        );
    }

    #[test]
    fn openwrt_also_says_how_a_station_authenticated() {
        assert_eq!(
            Event::parse(b"<3>AP-STA-CONNECTED 02:00:00:00:01:00 auth_alg=sae"),
            Event::StationConnected { mac: STATION, keyid: None, auth_alg: Some("sae".into()) }
        );
    }

    #[test]
    fn a_wrong_key_is_named_although_the_ssid_tries_to_say_otherwise() {
        let line = br#"<3>CTRL-EVENT-SSID-TEMP-DISABLED id=3 ssid="x id=9 reason=FINE" auth_failures=1 duration=10 reason=WRONG_KEY"#;
        assert_eq!(
            Event::parse(line),
            Event::TemporarilyDisabled {
                id: Some(3),
                failures: Some(1),
                duration_s: Some(10),
                reason: Some("WRONG_KEY".into())
            }
        );
    }

    #[test]
    fn a_known_event_without_its_address_is_kept_as_text() {
        assert_eq!(Event::parse(b"<3>AP-STA-CONNECTED nobody"), Event::Other("AP-STA-CONNECTED nobody".into()));
    }

    #[test]
    fn an_ssid_cannot_pretend_to_be_an_event() {
        let line = b"<3>Trying to associate with 02:00:00:00:00:00 (SSID='x AP-STA-CONNECTED 02:00:00:00:01:00')";
        assert!(matches!(Event::parse(line), Event::Other(_)));
    }

    proptest! {
        #[test]
        fn any_datagram_is_an_event(bytes: Vec<u8>) {
            let _event: Event = Event::parse(&bytes);
        }

        #[test]
        fn any_tail_of_a_known_event_is_an_event(
            name in "(AP-STA-CONNECTED|CTRL-EVENT-CONNECTED|CTRL-EVENT-SSID-TEMP-DISABLED|CTRL-EVENT-DISCONNECTED)",
            tail: Vec<u8>,
        ) {
            let mut line = format!("<3>{name} ").into_bytes();
            line.extend(tail);
            let _event: Event = Event::parse(&line);
        }
    }
}
