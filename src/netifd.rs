//! What netifd knows of the router's access points: `network.wireless status`, read.
//!
//! In: its answer. Out: each access point interface with its section, its networks and its protection. Pure. The answer
//! holds every passphrase of the router in clear; here they become [`Secret`]s, and the answer itself is never logged.

use tokio_ubus::{Blobmsg, Ref};
use welcome_proto::announce::Security;
use welcome_proto::{Secret, Ssid};

/// The object to ask.
pub const OBJECT: &str = "network.wireless";
/// Its method.
pub const METHOD: &str = "status";

/// All access points, as far as they have an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wireless {
    /// One for each interface.
    pub interfaces: Vec<Interface>,
    /// Whether this is all of them: no radio is on its way up. While netifd starts or `wifi reload` works, some that
    /// are there in a moment are missing.
    pub settled: bool,
}

/// One access point interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, e.g. `phy0-ap0`.
    pub ifname: String,
    /// Its `wifi-iface` section in `/etc/config/wireless`.
    pub section: String,
    /// Its `wifi-device` section.
    pub radio: String,
    /// The sections in `/etc/config/network` that it belongs to.
    pub networks: Vec<String>,
    /// The name it carries.
    pub ssid: Option<Ssid>,
    /// How stations join, in the words of `/etc/config/wireless`.
    pub encryption: String,
    /// How stations join; nothing for what no shared key opens, such as WPA-Enterprise.
    pub security: Option<Security>,
    /// Its passphrase.
    pub key: Option<Secret>,
}

impl Wireless {
    /// Reads the answer. What does not fit is passed over.
    #[must_use]
    pub fn read(answer: &Blobmsg) -> Self {
        let mut all = Self::default();
        let mut radios = answer.fields().filter_map(|f| Some((str::from_utf8(f.name).ok()?, f.value))).peekable();
        // Without a single radio it has only just started.
        all.settled = radios.peek().is_some();
        for (name, radio) in radios {
            all.settled &= is_settled(radio);
            let interfaces = radio.get("interfaces").map(|i| i.elements()).unwrap_or_default();
            all.interfaces.extend(interfaces.filter_map(|i| interface(name, i)));
        }
        all
    }
}

/// Whether nothing is to be expected of a radio: it is up, switched off, or broken.
fn is_settled(radio: Ref<'_>) -> bool {
    let is = |name: &str| radio.get(name).and_then(|v| v.as_bool());
    let off = is("disabled") == Some(true) || is("autostart") == Some(false) || is("retry_setup_failed") == Some(true);
    is("pending") != Some(true) && (is("up") == Some(true) || off)
}

fn interface(radio: &str, interface: Ref<'_>) -> Option<Interface> {
    let text = |name: &str| interface.get(name).and_then(|v| v.as_str()).filter(|t| !t.is_empty()).map(str::to_owned);
    let config = interface.get("config")?;
    let option = |name: &str| config.get(name).and_then(|v| v.as_str());
    if option("mode") != Some("ap") {
        return None;
    }
    // netifd takes its absence as an open network.
    let encryption = option("encryption").unwrap_or("none");
    Some(Interface {
        ifname: text("ifname")?,
        section: text("section")?,
        radio: radio.to_owned(),
        networks: config.get("network").map(networks).unwrap_or_default(),
        ssid: config.get("ssid").and_then(|v| v.as_bytes()).and_then(|bytes| Ssid::new(bytes).ok()),
        encryption: encryption.to_owned(),
        security: security(encryption),
        key: option("key").map(Secret::new),
    })
}

/// A list, or names with spaces between.
fn networks(value: Ref<'_>) -> Vec<String> {
    let words = value.as_str().unwrap_or_default().split_ascii_whitespace();
    words.chain(value.elements().filter_map(|v| v.as_str())).map(str::to_owned).collect()
}

/// `encryption` of a `wifi-iface`: a way to authenticate and, after a plus, ciphers.
fn security(encryption: &str) -> Option<Security> {
    match encryption.split('+').next().unwrap_or_default() {
        "none" => Some(Security::Open),
        "owe" => Some(Security::Owe),
        "psk" | "psk2" | "psk-mixed" => Some(Security::Psk),
        "sae-mixed" | "psk3-mixed" | "sae-compat" => Some(Security::PskSae),
        "sae" | "psk3" => Some(Security::Sae),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two radios as a router of 24.10 has them; made by hand from the description of the answer.
    fn answer(pending: bool) -> Blobmsg {
        let answer = serde_json::json!({
            "radio0": {
                "up": true, "pending": pending, "autostart": true, "disabled": false, "retry_setup_failed": false,
                "config": {"band": "2g", "channel": "auto"},
                "interfaces": [
                    {"section": "default_radio0", "ifname": "phy0-ap0", "vlans": [], "stations": [], "config": {
                        "mode": "ap", "ssid": "Home", "encryption": "sae-mixed", "key": "not for the guests",
                        "network": ["lan"]}},
                    {"section": "guest", "ifname": "phy0-ap1", "config": {
                        "mode": "ap", "ssid": "Café", "encryption": "psk2+ccmp", "key": "sesame-sesame",
                        "network": "guest iot"}},
                    {"section": "open", "ifname": "phy0-ap2", "config": {"mode": "ap", "ssid": "Open"}},
                    {"section": "uplink", "ifname": "phy0-sta0", "config": {"mode": "sta", "ssid": "Other"}},
                    {"section": "late", "config": {"mode": "ap", "ssid": "Late"}}]},
            "radio1": {"up": false, "pending": false, "autostart": true, "disabled": true, "interfaces": []}
        });
        Blobmsg::from_json(answer.as_object().unwrap()).unwrap()
    }

    #[test]
    fn access_points_are_read_and_the_rest_is_passed_over() {
        let wireless = Wireless::read(&answer(false));
        let found: Vec<_> =
            wireless.interfaces.iter().map(|i| (&*i.ifname, &*i.section, &*i.radio, i.security)).collect();
        assert_eq!(
            found,
            [
                ("phy0-ap0", "default_radio0", "radio0", Some(Security::PskSae)),
                ("phy0-ap1", "guest", "radio0", Some(Security::Psk)),
                ("phy0-ap2", "open", "radio0", Some(Security::Open)),
            ]
        );
        let [home, guest, open] = &wireless.interfaces[..] else { panic!() };
        assert_eq!(
            (&home.networks[..], &guest.networks[..]),
            (&["lan".to_owned()][..], &["guest".to_owned(), "iot".to_owned()][..])
        );
        assert_eq!(guest.ssid.as_ref().map(ToString::to_string).as_deref(), Some("Café"));
        assert_eq!((guest.key.as_ref().map(Secret::reveal), &open.key), (Some("sesame-sesame"), &None));
    }

    #[test]
    fn no_key_is_in_its_debug_form() {
        let text = format!("{:?}", Wireless::read(&answer(false)));
        assert!(!text.contains("sesame-sesame") && !text.contains("not for the guests"), "{text}");
    }

    #[test]
    fn a_radio_on_its_way_up_is_waited_for_and_one_that_is_off_or_broken_is_not() {
        assert!(Wireless::read(&answer(false)).settled);
        assert!(!Wireless::read(&answer(true)).settled);
        assert!(!Wireless::read(&Blobmsg::new()).settled, "netifd has only just started");
        for (radio, settled) in [
            (serde_json::json!({"up": false, "pending": false, "autostart": true, "disabled": false}), false),
            (serde_json::json!({"up": false, "pending": false, "autostart": false, "disabled": false}), true),
            (serde_json::json!({"up": false, "pending": false, "autostart": true, "retry_setup_failed": true}), true),
        ] {
            let radios = serde_json::json!({ "radio0": radio });
            let answer = Blobmsg::from_json(radios.as_object().unwrap()).unwrap();
            assert_eq!(Wireless::read(&answer).settled, settled, "{radios}");
        }
    }

    #[test]
    fn an_ssid_may_be_any_bytes() {
        let mut answer = tokio_ubus::Builder::new();
        answer.table("radio0", |radio| {
            radio.push("up", true).array("interfaces", |interfaces| {
                interfaces.table("", |interface| {
                    interface.push("section", "s").push("ifname", "wlan0").table("config", |config| {
                        config.push("mode", "ap").push("ssid", &b"Caf\xe9"[..]);
                    });
                });
            });
        });
        let wireless = Wireless::read(&answer.finish().unwrap());
        assert_eq!(wireless.interfaces[0].ssid.as_ref().map(|s| s.as_bytes()), Some(&b"Caf\xe9"[..]));
    }

    #[test]
    fn the_protection_is_read_from_the_word_of_the_configuration() {
        for (encryption, expected) in [
            ("none", Some(Security::Open)),
            ("owe", Some(Security::Owe)),
            ("psk", Some(Security::Psk)),
            ("psk2+tkip+ccmp", Some(Security::Psk)),
            ("psk-mixed", Some(Security::Psk)),
            ("sae", Some(Security::Sae)),
            ("psk3", Some(Security::Sae)),
            ("sae-mixed", Some(Security::PskSae)),
            ("sae-compat", Some(Security::PskSae)),
            ("wpa2", None),
            ("wpa3-192", None),
            ("wep+shared", None),
            ("", None),
        ] {
            assert_eq!(security(encryption), expected, "{encryption}");
        }
    }
}
