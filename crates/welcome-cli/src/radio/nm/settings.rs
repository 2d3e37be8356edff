//! How NetworkManager is told to join: the settings of a connection. Pure.

use crate::exit::Failure;
use std::collections::HashMap;
use std::time::Duration;
use welcome_client::Candidate;
use welcome_proto::announce::Security;
use zbus::Variant;

/// Sections of properties, as `AddAndActivateConnection2` takes them.
pub(super) type Settings<'a> = HashMap<&'static str, HashMap<&'static str, Variant<'a>>>;

/// The settings of a connection to one bss.
///
/// # Errors
/// [`Failure::Join`] when the list has no key that can be one.
pub(super) fn settings<'a>(to: &'a Candidate, uuid: &'a str, address: Duration) -> Result<Settings<'a>, Failure> {
    let Candidate { sighting, entry, .. } = to;
    let name: String = entry.ssid.to_string().chars().filter(|c| !c.is_control()).collect();
    let seconds = i32::try_from(address.as_secs()).unwrap_or(i32::MAX);
    let mut settings = Settings::from([
        (
            "connection",
            HashMap::from([
                ("id", format!("{name} (welcome)").into()),
                ("uuid", uuid.into()),
                ("type", "802-11-wireless".into()),
                ("autoconnect", false.into()),
                // A wrong key does not become a right one.
                ("auth-retries", 1_i32.into()),
            ]),
        ),
        (
            "802-11-wireless",
            HashMap::from([
                ("ssid", entry.ssid.as_bytes().to_vec().into()),
                ("bssid", entry.bssid.mac().0.to_vec().into()),
                ("mode", "infrastructure".into()),
            ]),
        ),
        ("ipv4", HashMap::from([("method", "auto".into()), ("dhcp-timeout", seconds.into())])),
        ("ipv6", HashMap::from([("method", "auto".into()), ("ra-timeout", seconds.into())])),
    ]);
    let security = match sighting.security.unwrap_or(entry.security) {
        Security::Open => return Ok(settings),
        Security::Owe => HashMap::from([("key-mgmt", "owe".into())]),
        // NetworkManager takes SAE by itself where wpa_supplicant and the access point can.
        Security::Psk | Security::PskSae => with_key("wpa-psk", entry.key.as_ref())?,
        Security::Sae => with_key("sae", entry.key.as_ref())?,
    };
    settings.insert("802-11-wireless-security", security);
    Ok(settings)
}

fn with_key<'a>(
    method: &'static str,
    key: Option<&'a welcome_proto::Secret>,
) -> Result<HashMap<&'static str, Variant<'a>>, Failure> {
    let key = key.ok_or_else(Failure::no_key)?;
    Ok(HashMap::from([("key-mgmt", method.into()), ("psk", key.reveal().into())]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use welcome_client::{Sighting, Variant as By};

    fn candidate(security: &str, key: Option<&str>) -> Candidate {
        let mut entry = serde_json::json!({
            "bssid": "02:00:00:00:00:01", "ssid": "Café", "security": security, "area": "here", "assurance": "vouched"
        });
        if let Some(key) = key {
            entry["key"] = key.into();
        }
        let entry: welcome_proto::lookup::ListEntry = serde_json::from_value(entry).unwrap();
        let sighting = Sighting {
            bssid: entry.bssid,
            ssid: Some(entry.ssid.clone()),
            security: Some(entry.security),
            signal: -50,
            freq: 2412,
        };
        Candidate { sighting, entry, variant: By::Two }
    }

    #[test]
    fn each_protection_has_its_method() {
        for (security, key, expected) in [
            ("open", None, None),
            ("owe", None, Some("owe")),
            ("psk", Some("correct horse"), Some("wpa-psk")),
            ("psk-sae", Some("correct horse"), Some("wpa-psk")),
            ("sae", Some("correct horse"), Some("sae")),
        ] {
            let candidate = candidate(security, key);
            let settings = settings(&candidate, "u", Duration::from_secs(15)).unwrap();
            let section = settings.get("802-11-wireless-security");
            let method = section.map(|section| section["key-mgmt"].clone());
            assert_eq!(method, expected.map(Variant::from), "{security}");
            assert_eq!(section.and_then(|section| section.get("psk")).cloned(), key.map(Variant::from), "{security}");
        }
    }

    #[test]
    fn a_network_whose_key_we_lack_is_not_tried() {
        assert!(settings(&candidate("psk", None), "u", Duration::from_secs(15)).is_err());
    }

    #[test]
    fn only_the_listed_bss_is_joined() {
        let candidate = candidate("open", None);
        let settings = settings(&candidate, "u", Duration::from_secs(15)).unwrap();
        assert_eq!(settings["802-11-wireless"]["bssid"], Variant::from(vec![2_u8, 0, 0, 0, 0, 1]));
    }
}
