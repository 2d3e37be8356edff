//! Which of the heard networks to join. Pure.
//!
//! In: what was heard, and the directory's list. Out: the listed ones, strongest first, and those that carry a listed
//! BSSID without being what the list says.
//!
//! The BSSID decides (variants 1 and 2 of the method: one broadcast BSSID is in the list, and gives the SSID, or the
//! SSID and the key). A BSSID is easily copied, so whatever else the list says must hold too: anybody can put up an open
//! network with a listed BSSID, and would get our traffic if the list said that a key is needed.

use std::collections::BTreeMap;
use welcome_proto::announce::Security;
use welcome_proto::lookup::ListEntry;
use welcome_proto::{Bssid, Ssid};

/// One bss that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its address.
    pub bssid: Bssid,
    /// Its name; absent when it hides it.
    pub ssid: Option<Ssid>,
    /// How to join, as it says itself; absent when it wants something that the list has no word for.
    pub security: Option<Security>,
    /// In dBm with most drivers; more is stronger.
    pub signal: i32,
    /// Channel frequency in MHz.
    pub freq: u32,
}

/// What came of comparing the air with the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Those that can be joined, strongest first; equally strong ones by address.
    pub matches: Vec<(&'a Sighting, &'a ListEntry)>,
    /// Those with a listed BSSID that cannot, and why, by address.
    pub refused: Vec<(&'a Sighting, Refusal)>,
}

/// Why a network with a listed BSSID is not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It carries another name than the list says, or none.
    #[error("it has another name than listed")]
    OtherName,
    /// It wants another kind of authentication than the list says, or none.
    #[error("it is protected in another way than listed")]
    OtherSecurity,
    /// It needs a key, and the list has none.
    #[error("its key is not in the list")]
    NoKey,
}

/// Compares what was heard with the list.
#[must_use]
pub fn choose<'a>(heard: &'a [Sighting], list: &'a [ListEntry]) -> Choice<'a> {
    let by_bssid: BTreeMap<Bssid, &ListEntry> = list.iter().map(|entry| (entry.bssid, entry)).collect();
    let mut choice = Choice::default();
    for sighting in heard {
        let Some(entry) = by_bssid.get(&sighting.bssid) else { continue };
        match verdict(sighting, entry) {
            Ok(()) => choice.matches.push((sighting, entry)),
            Err(refusal) => choice.refused.push((sighting, refusal)),
        }
    }
    choice.matches.sort_by_key(|(sighting, _)| (-i64::from(sighting.signal), sighting.bssid));
    choice.refused.sort_by_key(|(sighting, _)| sighting.bssid);
    choice
}

fn verdict(sighting: &Sighting, entry: &ListEntry) -> Result<(), Refusal> {
    if sighting.ssid.as_ref() != Some(&entry.ssid) {
        Err(Refusal::OtherName)
    } else if sighting.security != Some(entry.security) {
        Err(Refusal::OtherSecurity)
    } else if entry.security.needs_key() && entry.key.is_none() {
        Err(Refusal::NoKey)
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use welcome_proto::lookup::Assurance;
    use welcome_proto::{Mac, Secret};

    fn bssid(number: u8) -> Bssid {
        Mac([2, 0, 0, 0, 0, number]).try_into().unwrap()
    }

    fn name(number: u8) -> Ssid {
        Ssid::new(&[b'a' + number]).unwrap()
    }

    fn sighting(number: u8, signal: i32) -> Sighting {
        Sighting { bssid: bssid(number), ssid: Some(name(0)), security: Some(Security::Open), signal, freq: 2412 }
    }

    fn entry(number: u8) -> ListEntry {
        ListEntry {
            bssid: bssid(number),
            ssid: name(0),
            security: Security::Open,
            key: None,
            area: "here".parse().unwrap(),
            needed: 1,
            assurance: Assurance::Vouched,
        }
    }

    #[test]
    fn the_strongest_listed_network_is_first() {
        let heard = [sighting(1, -70), sighting(2, -40), sighting(3, -20)];
        let list = [entry(1), entry(2)];
        let order: Vec<_> = choose(&heard, &list).matches.iter().map(|(heard, _)| heard.bssid).collect();
        assert_eq!(order, [bssid(2), bssid(1)]);
    }

    #[test]
    fn a_listed_bssid_with_another_name_is_refused() {
        let heard = [Sighting { ssid: Some(name(1)), ..sighting(1, -20) }, Sighting { ssid: None, ..sighting(2, -20) }];
        let list = [entry(1), entry(2)];
        let choice = choose(&heard, &list);
        assert_eq!(choice.matches, []);
        assert!(choice.refused.iter().all(|(_, refusal)| *refusal == Refusal::OtherName));
        assert_eq!(choice.refused.len(), 2);
    }

    #[test]
    fn an_open_network_does_not_pass_for_one_with_a_key() {
        let heard = [sighting(1, -20)];
        let list = [ListEntry { security: Security::Psk, key: Some(Secret::new("long enough")), ..entry(1) }];
        assert_eq!(choose(&heard, &list).refused, [(&heard[0], Refusal::OtherSecurity)]);
    }

    #[test]
    fn a_network_whose_key_we_lack_is_refused() {
        let heard = [Sighting { security: Some(Security::Psk), ..sighting(1, -20) }];
        let list = [ListEntry { security: Security::Psk, ..entry(1) }];
        assert_eq!(choose(&heard, &list).refused, [(&heard[0], Refusal::NoKey)]);
    }

    fn any_security() -> impl Strategy<Value = Security> {
        prop::sample::select(vec![Security::Open, Security::Owe, Security::Psk, Security::PskSae, Security::Sae])
    }

    prop_compose! {
        fn any_sighting()(
            number in 0u8..6, ssid in prop::option::of(0u8..3), security in prop::option::of(any_security()),
            signal in -90i32..-20,
        ) -> Sighting {
            Sighting { bssid: bssid(number), ssid: ssid.map(name), security, signal, freq: 2412 }
        }
    }

    prop_compose! {
        fn any_entry()(
            number in 0u8..6, ssid in 0u8..3, security in any_security(), key in any::<bool>(),
        ) -> ListEntry {
            ListEntry { ssid: name(ssid), security, key: key.then(|| Secret::new("long enough")), ..entry(number) }
        }
    }

    proptest! {
        /// The rule read word by word: among the heard, the strongest that is listed as it is heard.
        #[test]
        fn the_choice_is_that_of_a_naive_reading(
            heard in prop::collection::vec(any_sighting(), 0..8),
            entries in prop::collection::vec(any_entry(), 0..6),
        ) {
            // One entry for each BSSID, as the server gives them.
            let mut list: Vec<ListEntry> = Vec::new();
            for entry in entries {
                if list.iter().all(|other| other.bssid != entry.bssid) {
                    list.push(entry);
                }
            }
            let mut naive: Option<&Sighting> = None;
            for sighting in &heard {
                for entry in &list {
                    let fits = entry.bssid == sighting.bssid
                        && Some(&entry.ssid) == sighting.ssid.as_ref()
                        && Some(entry.security) == sighting.security
                        && (matches!(entry.security, Security::Open | Security::Owe) || entry.key.is_some());
                    if fits && naive.is_none_or(|best| sighting.signal > best.signal) {
                        naive = Some(sighting);
                    }
                }
            }
            let choice = choose(&heard, &list);
            prop_assert_eq!(choice.matches.first().map(|(best, _)| best.signal), naive.map(|best| best.signal));
            for (sighting, entry) in &choice.matches {
                prop_assert_eq!(sighting.bssid, entry.bssid);
            }
            let listed = heard.iter().filter(|s| list.iter().any(|entry| entry.bssid == s.bssid)).count();
            prop_assert_eq!(choice.matches.len() + choice.refused.len(), listed);
        }
    }
}
