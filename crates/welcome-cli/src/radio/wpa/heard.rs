//! What wpa_supplicant has heard, in the words of the list. Pure.

use super::super::FRESH_S;
use super::super::security::{self, Method};
use std::collections::BTreeSet;
use welcome_client::Sighting;
use welcome_proto::announce::Security;
use welcome_proto::{Mac, Ssid};
use wpa_ctrl::reply::Heard;

/// What can be compared with a list, without what was heard too long ago.
pub(super) fn sightings(heard: Vec<Heard>) -> Vec<Sighting> {
    heard
        .into_iter()
        .filter(|heard| heard.age_s.is_none_or(|age| age <= FRESH_S))
        .filter_map(|heard| {
            Some(Sighting {
                bssid: Mac(heard.bssid).try_into().ok()?,
                ssid: Ssid::new(&heard.ssid).ok(),
                security: security(&heard.flags),
                signal: heard.signal,
                freq: heard.freq,
            })
        })
        .collect()
}

/// What a bss asks for, from flags such as `[WPA2-PSK+SAE-CCMP][SAE-H2E][ESS]`; `None` for what the list has no word
/// for, such as WEP, WPA of 2003, or a user name.
fn security(flags: &str) -> Option<Security> {
    let groups = || flags.split(['[', ']']).filter(|group| !group.is_empty());
    if !groups().any(|group| group == "ESS") || groups().any(|group| group == "WEP") {
        return None;
    }
    let mut methods = BTreeSet::new();
    for group in groups() {
        // "WPA2-" + methods joined by "+" + "-" + ciphers; newer versions write RSN instead of WPA2.
        if let Some(rest) = ["WPA2-", "RSN-"].iter().find_map(|start| group.strip_prefix(start)) {
            methods.extend(rest.split('+').filter_map(method));
        } else if group.starts_with("WPA-") {
            methods.insert(Method::Other);
        }
    }
    security::of(methods)
}

fn method(word: &str) -> Option<Method> {
    // The last method carries the ciphers: "SAE-CCMP".
    let word = word.strip_prefix("FT/").unwrap_or(word);
    if word.starts_with("PSK") {
        Some(Method::Psk)
    } else if word.starts_with("SAE") {
        Some(Method::Sae)
    } else if word.starts_with("OWE") {
        Some(Method::Owe)
    } else if ["CCMP", "GCMP", "TKIP"].iter().any(|cipher| word.starts_with(cipher)) {
        None // a second cipher
    } else {
        Some(Method::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_flags_say_how_to_join() {
        for (flags, expected) in [
            ("[ESS]", Some(Security::Open)),
            ("[WPA2-PSK-CCMP][ESS]", Some(Security::Psk)),
            ("[RSN-PSK-CCMP][ESS]", Some(Security::Psk)),
            ("[WPA2-PSK+FT/PSK-CCMP][ESS]", Some(Security::Psk)),
            ("[WPA2-PSK+PSK-SHA256-CCMP-preauth][ESS]", Some(Security::Psk)),
            ("[WPA-PSK-TKIP][WPA2-PSK-CCMP+TKIP][ESS]", Some(Security::Psk)),
            ("[WPA2-SAE-CCMP][SAE-H2E][ESS]", Some(Security::Sae)),
            ("[WPA2-PSK+SAE-CCMP][SAE-H2E][ESS]", Some(Security::PskSae)),
            ("[WPA2-FT/SAE+SAE-GCMP-256][ESS]", Some(Security::Sae)),
            ("[WPA2-OWE-CCMP][ESS]", Some(Security::Owe)),
            ("[OWE-TRANS][ESS]", Some(Security::Open)),
            ("[WPA-PSK-TKIP][ESS]", None),
            ("[WPA2-EAP-CCMP][ESS]", None),
            ("[WEP][ESS]", None),
            ("[IBSS]", None),
            ("", None),
        ] {
            assert_eq!(security(flags), expected, "{flags}");
        }
    }

    #[test]
    fn what_was_heard_long_ago_is_not_there() {
        let heard = |age_s| Heard {
            bssid: [2, 0, 0, 0, 0, 1],
            freq: 2412,
            signal: -40,
            age_s,
            flags: "[ESS]".into(),
            ssid: b"x".into(),
        };
        assert_eq!(sightings(vec![heard(Some(100)), heard(Some(2)), heard(None)]).len(), 2);
    }

    proptest! {
        #[test]
        fn any_flags_can_be_read(flags: String) {
            let _security: Option<Security> = security(&flags);
        }
    }
}
