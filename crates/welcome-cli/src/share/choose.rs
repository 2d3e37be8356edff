//! Which network a sharer means. Pure.
//!
//! In: what they said, their networks, what is heard. Out: one of their networks, or one on the air that the directory
//! does not know as theirs. Of several that fit none is guessed.

use super::api::SharedNetwork;
use super::args::{NetworkName, Which};
use crate::exit::Failure;
use welcome_client::Sighting;
use welcome_proto::Ssid;
use welcome_proto::announce::{AnnouncedBss, MAX_BSS};
use welcome_proto::challenge::ChallengeName;

/// What is meant.
#[derive(Debug)]
pub(super) enum Chosen<'a> {
    /// One of theirs.
    Ours(&'a SharedNetwork),
    /// Another one, by its strongest radio.
    Unknown(&'a Sighting),
}

/// Finds it.
pub(super) fn choose<'a>(
    which: &Which,
    ours: &'a [SharedNetwork],
    heard: &'a [Sighting],
) -> Result<Chosen<'a>, Failure> {
    match which {
        Which { network: Some(name), .. } => named(name, ours).map(Chosen::Ours),
        Which { ssid: Some(ssid), .. } => match called(ssid, ours, heard)? {
            Some(network) => Ok(Chosen::Ours(network)),
            None => {
                let strongest = heard.iter().filter(|s| s.ssid.as_ref() == Some(ssid)).max_by_key(|s| s.signal);
                let none = || Failure::NotHeard(format!("{ssid} is not on the air, and none of your networks"));
                strongest.map(Chosen::Unknown).ok_or_else(none)
            }
        },
        Which { network: None, ssid: None } => strongest(ours, heard),
    }
}

/// Finds one of theirs; what is on the air decides only where nothing was said.
pub(super) fn choose_ours<'a>(
    which: &Which,
    ours: &'a [SharedNetwork],
    heard: &'a [Sighting],
) -> Result<&'a SharedNetwork, Failure> {
    if which.network.is_none()
        && which.ssid.is_none()
        && let [only] = ours
    {
        return Ok(only);
    }
    match choose(which, ours, heard)? {
        Chosen::Ours(network) => Ok(network),
        Chosen::Unknown(sighting) => {
            let name = sighting.ssid.as_ref().map_or_else(|| "(hidden)".to_owned(), ToString::to_string);
            Err(Failure::Usage(format!("{name} is none of your networks: `welcome share verify` makes it one")))
        }
    }
}

/// The radios that are heard under a name.
pub(super) fn radios(ssid: &Ssid, heard: &[Sighting]) -> Vec<AnnouncedBss> {
    let mut bss: Vec<_> = heard
        .iter()
        .filter(|sighting| sighting.ssid.as_ref() == Some(ssid))
        .map(|sighting| AnnouncedBss { bssid: sighting.bssid, freq: u16::try_from(sighting.freq).ok() })
        .collect();
    bss.sort_by_key(|bss| bss.bssid);
    bss.dedup_by_key(|bss| bss.bssid);
    bss.truncate(MAX_BSS);
    bss
}

/// A network's own name at the directory, from its name on the air.
pub(super) fn name_of(ssid: &Ssid) -> String {
    let letters = ssid.as_bytes().iter().map(|b| match b {
        b if b.is_ascii_alphanumeric() => char::from(b.to_ascii_lowercase()),
        _ => '_',
    });
    let name: String = letters.collect();
    let name = name.trim_matches('_');
    if name.is_empty() { "shared".to_owned() } else { name.to_owned() }
}

fn named<'a>(name: &NetworkName, ours: &'a [SharedNetwork]) -> Result<&'a SharedNetwork, Failure> {
    let fits = |network: &&SharedNetwork| {
        network.network == name.network && name.router.as_ref().is_none_or(|router| *router == network.router)
    };
    one(ours.iter().filter(fits).collect())?
        .ok_or_else(|| Failure::Usage(format!("none of your networks is called {}", name.network)))
}

fn called<'a>(
    ssid: &Ssid,
    ours: &'a [SharedNetwork],
    heard: &[Sighting],
) -> Result<Option<&'a SharedNetwork>, Failure> {
    let called: Vec<_> = ours.iter().filter(|network| network.ssid == *ssid).collect();
    let here = called.iter().copied().filter(|network| heard.iter().any(|s| has(network, s))).collect::<Vec<_>>();
    one(if here.is_empty() { called } else { here })
}

fn strongest<'a>(ours: &'a [SharedNetwork], heard: &'a [Sighting]) -> Result<Chosen<'a>, Failure> {
    // What is in the middle of a proof has no name of its own.
    let own_name = |s: &&Sighting| s.ssid.clone().is_some_and(|ssid| ChallengeName::try_from(ssid).is_err());
    let strongest = heard.iter().filter(own_name).max_by_key(|s| s.signal);
    let strongest = strongest.ok_or_else(|| Failure::NotHeard("no network is on the air".into()))?;
    if let Some(network) = ours.iter().find(|network| has(network, strongest)) {
        return Ok(Chosen::Ours(network));
    }
    let same_name = match &strongest.ssid {
        Some(ssid) => called(ssid, ours, heard)?,
        None => None,
    };
    Ok(same_name.map_or(Chosen::Unknown(strongest), Chosen::Ours))
}

fn has(network: &SharedNetwork, sighting: &Sighting) -> bool {
    network.bss.iter().any(|bss| bss.bssid == sighting.bssid)
}

fn one(fitting: Vec<&SharedNetwork>) -> Result<Option<&SharedNetwork>, Failure> {
    match fitting.as_slice() {
        [] => Ok(None),
        [network] => Ok(Some(network)),
        several => {
            let names: Vec<_> = several.iter().map(|n| format!("{}/{}", n.router, n.network)).collect();
            Err(Failure::Usage(format!("give --network with one of {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "02:00:00:00:00:01";
    const B: &str = "02:00:00:00:00:02";
    const C: &str = "02:00:00:00:00:03";

    fn network(router: &str, name: &str, ssid: &str, bssids: &[&str]) -> SharedNetwork {
        let bss: Vec<_> = bssids.iter().map(|b| json!({"bssid": b, "listed": false})).collect();
        let network = json!({
            "router": router, "network": name, "ssid": ssid, "security": "open", "state": "announced", "bss": bss,
        });
        serde_json::from_value(network).unwrap()
    }

    fn sighting(bssid: &str, ssid: &str, signal: i32) -> Sighting {
        let ssid = (!ssid.is_empty()).then(|| ssid.parse().unwrap());
        Sighting { bssid: bssid.parse().unwrap(), ssid, security: None, signal, freq: 2412 }
    }

    fn by_ssid(ssid: &str) -> Which {
        Which { ssid: Some(ssid.parse().unwrap()), ..Which::default() }
    }

    fn by_name(name: &str) -> Which {
        Which { network: Some(name.parse().unwrap()), ..Which::default() }
    }

    fn name(chosen: Chosen<'_>) -> String {
        match chosen {
            Chosen::Ours(network) => format!("{}/{}", network.router, network.network),
            Chosen::Unknown(sighting) => sighting.bssid.to_string(),
        }
    }

    #[test]
    fn nothing_said_means_the_strongest_that_has_a_name_of_its_own() {
        let heard = [
            sighting(A, "Cafe", -60),
            sighting(B, "Bar", -50),
            sighting(C, "welcome-k3j5z8q2m7x4c6v9", -20),
            sighting(C, "", -10),
        ];
        assert_eq!(name(choose(&Which::default(), &[], &heard).unwrap()), B);
        let ours = [network("r-1", "bar", "Bar", &[C])];
        let chosen = choose(&Which::default(), &ours, &heard).unwrap();
        assert_eq!(name(chosen), "r-1/bar", "a replaced radio has the name");
        assert!(matches!(choose(&Which::default(), &[], &heard[2..]), Err(Failure::NotHeard(_))));
    }

    #[test]
    fn of_two_with_one_name_the_one_on_the_air_is_meant_and_of_two_here_none_is_guessed() {
        let ours = [network("r-1", "cafe", "Cafe", &[A]), network("r-2", "cafe", "Cafe", &[B])];
        let (both, there) = ([sighting(A, "Cafe", -50), sighting(B, "Cafe", -60)], [sighting(B, "Cafe", -60)]);
        assert_eq!(name(choose(&by_ssid("Cafe"), &ours, &there).unwrap()), "r-2/cafe");
        for which in [by_ssid("Cafe"), by_name("cafe")] {
            let Err(Failure::Usage(why)) = choose(&which, &ours, &both) else { panic!("{which:?}") };
            assert_eq!(why, "give --network with one of r-1/cafe, r-2/cafe");
        }
        assert_eq!(name(choose(&by_name("r-1/cafe"), &ours, &both).unwrap()), "r-1/cafe");
    }

    #[test]
    fn a_name_that_nobody_has_is_heard_or_there_is_none() {
        let heard = [sighting(A, "Cafe", -70), sighting(B, "Cafe", -40)];
        assert_eq!(name(choose(&by_ssid("Cafe"), &[], &heard).unwrap()), B);
        assert!(matches!(choose(&by_ssid("Bar"), &[], &heard), Err(Failure::NotHeard(_))));
        assert!(matches!(choose_ours(&by_ssid("Cafe"), &[], &heard), Err(Failure::Usage(_))));
        let only = [network("r-1", "bar", "Bar", &[])];
        assert_eq!(choose_ours(&Which::default(), &only, &[]).unwrap().network.as_str(), "bar");
    }

    #[test]
    fn the_radios_of_a_name_are_each_once_and_have_a_bound() {
        let many: Vec<_> = (0..=255u8).map(|n| sighting(&format!("02:00:00:00:01:{n:02x}"), "Cafe", -50)).collect();
        let ssid = "Cafe".parse().unwrap();
        assert_eq!(radios(&ssid, &many).len(), MAX_BSS);
        let twice = [sighting(B, "Cafe", -1), sighting(A, "Cafe", -2), sighting(A, "Bar", -3), sighting(B, "Cafe", -4)];
        let found: Vec<_> = radios(&ssid, &twice).into_iter().map(|bss| bss.bssid.to_string()).collect();
        assert_eq!(found, [A, B]);
    }

    #[test]
    fn every_ssid_gives_a_name() {
        for (ssid, expected) in [("Corner Café", "corner_caf"), ("\\xff", "shared"), ("A-1", "a_1")] {
            let name = name_of(&ssid.parse().unwrap());
            assert_eq!(name, expected);
            assert!(name.parse::<welcome_proto::NetworkId>().is_ok());
        }
    }
}
