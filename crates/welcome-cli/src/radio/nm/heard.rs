//! What NetworkManager has heard, in the words of the list. Pure.

use super::super::FRESH_S;
use super::super::security::{self, Method};
use super::bus::{Properties, read};
use std::collections::BTreeSet;
use welcome_client::Sighting;
use welcome_proto::Ssid;
use welcome_proto::announce::Security;

/// An access point, from its properties and the seconds since the computer started; `None` for what cannot be joined, or
/// was heard too long ago.
pub(super) fn sighting(properties: &Properties, now_s: i64) -> Option<Sighting> {
    let is_infrastructure = read(properties, "Mode") == Some(INFRASTRUCTURE);
    let seen: i32 = read(properties, "LastSeen")?;
    if !is_infrastructure || now_s.saturating_sub(seen.into()) > i64::from(FRESH_S) {
        return None;
    }
    let bssid: String = read(properties, "HwAddress")?;
    let ssid: Vec<u8> = read(properties, "Ssid")?;
    Some(Sighting {
        bssid: bssid.parse().ok()?,
        ssid: Ssid::new(&ssid).ok(),
        security: security(
            read(properties, "Flags").unwrap_or_default(),
            read(properties, "WpaFlags").unwrap_or_default(),
            read(properties, "RsnFlags").unwrap_or_default(),
        ),
        signal: signal(read(properties, "Strength").unwrap_or_default()),
        freq: read(properties, "Frequency").unwrap_or_default(),
    })
}

/// What a bss asks for, from `Flags`, `WpaFlags` and `RsnFlags`.
fn security(flags: u32, wpa: u32, rsn: u32) -> Option<Security> {
    let mut methods = BTreeSet::new();
    for (bit, method) in [(PSK, Method::Psk), (EAP, Method::Other), (SAE, Method::Sae), (OWE, Method::Owe)] {
        if rsn & bit != 0 {
            methods.insert(method);
        }
    }
    if rsn & EAP_SUITE_B != 0 || wpa != 0 {
        methods.insert(Method::Other);
    }
    // WEP has nothing but this.
    if methods.is_empty() && flags & PRIVACY != 0 {
        return None;
    }
    security::of(methods)
}

/// NetworkManager gives per cent: 0 for -100 dBm, and 100 for -40 and all that is stronger.
fn signal(strength: u8) -> i32 {
    -100 + i32::from(strength.min(100)) * 60 / 100
}

/// NM_802_11_MODE_INFRA
const INFRASTRUCTURE: u32 = 2;
/// NM_802_11_AP_FLAGS_PRIVACY
const PRIVACY: u32 = 0x1;
/// NM_802_11_AP_SEC_KEY_MGMT_…
const PSK: u32 = 0x100;
const EAP: u32 = 0x200;
const SAE: u32 = 0x400;
const OWE: u32 = 0x800;
const EAP_SUITE_B: u32 = 0x2000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbus::{OwnedVariant, Variant};

    /// Pairwise and group CCMP.
    const CCMP: u32 = 0x8 | 0x80;

    #[test]
    fn the_flags_say_how_to_join() {
        for (flags, wpa, rsn, expected) in [
            (0, 0, 0, Some(Security::Open)),
            (PRIVACY, 0, CCMP | PSK, Some(Security::Psk)),
            (PRIVACY, CCMP | PSK, CCMP | PSK, Some(Security::Psk)),
            (PRIVACY, 0, CCMP | PSK | SAE, Some(Security::PskSae)),
            (PRIVACY, 0, CCMP | SAE, Some(Security::Sae)),
            (PRIVACY, 0, CCMP | OWE, Some(Security::Owe)),
            // The open half of a pair in transition to OWE.
            (0, 0, 0x1000, Some(Security::Open)),
            (PRIVACY, CCMP | PSK, 0, None),
            (PRIVACY, 0, CCMP | EAP, None),
            (PRIVACY, 0, EAP_SUITE_B, None),
            (PRIVACY, 0, 0, None),
        ] {
            assert_eq!(security(flags, wpa, rsn), expected, "{flags:#x} {wpa:#x} {rsn:#x}");
        }
    }

    #[test]
    fn per_cent_become_the_dbm_they_came_from() {
        assert_eq!((signal(0), signal(50), signal(100), signal(255)), (-100, -70, -40, -40));
    }

    fn properties(seen: i32, mode: u32) -> Properties {
        let values: [(&str, Variant<'_>); 6] = [
            ("HwAddress", "02:00:00:00:00:01".into()),
            ("Ssid", b"x".to_vec().into()),
            ("Mode", mode.into()),
            ("LastSeen", seen.into()),
            ("Strength", 50_u8.into()),
            ("Frequency", 2412_u32.into()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), OwnedVariant::try_from(value).unwrap())).collect()
    }

    #[test]
    fn what_was_heard_long_ago_or_is_no_access_point_is_not_there() {
        assert_eq!(sighting(&properties(90, INFRASTRUCTURE), 100).unwrap().freq, 2412);
        assert_eq!(sighting(&properties(60, INFRASTRUCTURE), 100), None);
        assert_eq!(sighting(&properties(90, 1), 100), None);
        assert_eq!(sighting(&Properties::new(), 100), None);
    }

    proptest! {
        #[test]
        fn any_flags_can_be_read(flags: u32, wpa: u32, rsn: u32) {
            let _security: Option<Security> = security(flags, wpa, rsn);
        }
    }
}
