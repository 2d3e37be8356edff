//! Matching agrees with the four claims of the method, read word for word, on random areas and random air.
//!
//! The reading below is of the claims and of one rule beside them: a BSSID is heard only if all that carries it and tells
//! its name is what the list says. It shares nothing with the library but the types.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use welcome_client::{List, Policy, Recognised, Refusal, Sighting, Variant, recognise};
use welcome_proto::announce::Security;
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{Bssid, Mac, Secret, Ssid};

/// The claims: by which of them this network may be joined, if by any.
fn claimed(heard: &[Sighting], list: &[ListEntry], at_least: u32, sighting: &Sighting) -> Option<Variant> {
    let entry = list.iter().find(|entry| entry.bssid == sighting.bssid)?;
    if !is_itself(sighting, entry) {
        return None;
    }
    // “The set of MAC addresses that the shared networks broadcast.”
    let broadcast: BTreeSet<Bssid> = heard.iter().map(|s| s.bssid).filter(|b| is_heard(*b, heard, list)).collect();
    if !broadcast.contains(&entry.bssid) {
        return None;
    }
    let number = |stored: &dyn Fn(&&ListEntry) -> bool| {
        list.iter().filter(stored).filter(|entry| broadcast.contains(&entry.bssid)).count() as u64
    };
    let predetermined = u64::from(entry.needed.max(at_least));
    let has_key = match entry.security {
        Security::Open | Security::Owe => false,
        Security::Psk | Security::PskSae | Security::Sae => {
            // Without a key there is nothing to obtain.
            entry.key.as_ref()?;
            true
        }
    };
    match (predetermined, has_key) {
        // “When the address is in the stored list, the client obtains the network's name”; claim 2: “the name and the key”.
        (0 | 1, false) => Some(Variant::One),
        (0 | 1, true) => Some(Variant::Two),
        // Claim 3: “with the list of one and the same sharing area; when the number in the intersection reaches or exceeds”.
        (n, false) => (number(&|other| other.area == entry.area) >= n).then_some(Variant::Three),
        // Claim 4: “with the stored list”, of any area; “reaches or exceeds”.
        (n, true) => (number(&|_| true) >= n).then_some(Variant::Four),
    }
}

fn is_heard(bssid: Bssid, heard: &[Sighting], list: &[ListEntry]) -> bool {
    let Some(entry) = list.iter().find(|entry| entry.bssid == bssid) else { return false };
    let mut carriers = heard.iter().filter(|sighting| sighting.bssid == bssid);
    let named = || heard.iter().filter(|sighting| sighting.bssid == bssid && sighting.ssid.is_some());
    carriers.any(|sighting| is_itself(sighting, entry)) && named().all(|sighting| is_itself(sighting, entry))
}

fn is_itself(sighting: &Sighting, entry: &ListEntry) -> bool {
    use Security::{Open, Owe, Psk, PskSae, Sae};
    let is_protected = match (entry.security, sighting.security) {
        (_, None) => false,
        (Open, Some(heard)) => [Open, Owe].contains(&heard),
        (Owe, Some(heard)) => heard == Owe,
        (Psk, Some(heard)) => [Psk, PskSae, Sae].contains(&heard),
        (PskSae, Some(heard)) => [PskSae, Sae].contains(&heard),
        (Sae, Some(heard)) => heard == Sae,
    };
    is_protected && sighting.ssid.as_ref() == Some(&entry.ssid)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matching_is_what_the_claims_say(
        (list, heard) in (areas(), air()),
        at_least in 0..4u32,
    ) {
        let Recognised { candidates, refused } = recognise(&heard, &List::new(list.clone()), &Policy { at_least });
        for sighting in &heard {
            let expected = claimed(&heard, &list, at_least, sighting);
            let found: Vec<_> = candidates.iter().filter(|candidate| candidate.sighting == *sighting).collect();
            let is_listed = list.iter().any(|entry| entry.bssid == sighting.bssid);
            let is_refused = refused.iter().any(|(other, _)| other == sighting);
            prop_assert_eq!(found.first().map(|candidate| candidate.variant), expected);
            prop_assert_eq!(is_refused, is_listed && expected.is_none());
            for candidate in found {
                prop_assert_eq!(Some(&candidate.entry), list.iter().find(|entry| entry.bssid == sighting.bssid));
            }
        }
        let listed = heard.iter().filter(|sighting| list.iter().any(|entry| entry.bssid == sighting.bssid)).count();
        prop_assert_eq!(candidates.len() + refused.len(), listed);
    }

    #[test]
    fn whatever_is_heard_is_handled(
        heard in vec((any::<[u8; 6]>(), vec(any::<u8>(), 0..=32), any::<i32>(), any::<u32>()), 0..40),
        needed: u32,
        at_least: u32,
    ) {
        let heard: Vec<_> = heard
            .into_iter()
            .filter_map(|(mac, name, signal, freq)| {
                let (bssid, ssid) = (Mac(mac).try_into().ok()?, Ssid::new(&name).ok());
                Some(Sighting { bssid, ssid, security: Some(Security::Open), signal, freq })
            })
            .collect();
        let list = heard.iter().filter_map(|sighting| {
            let ssid = sighting.ssid.clone()?;
            Some(ListEntry { bssid: sighting.bssid, ssid, needed, ..entry(0, 0, 0, 0, false) })
        });
        let list = List::new(list);
        let Recognised { candidates, refused } = recognise(&heard, &list, &Policy { at_least });
        prop_assert!(candidates.len() + refused.len() <= heard.len());
    }
}

#[test]
fn an_area_of_ten_thousand_is_handled() {
    let bssid = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        Bssid::try_from(Mac([2, 0, 0, a, b, c])).unwrap()
    };
    const SIZE: u32 = 10_000;
    for (needed, joinable) in [(SIZE, SIZE as usize), (SIZE + 1, 0), (u32::MAX, 0)] {
        let entries = (0..SIZE).map(|number| ListEntry { bssid: bssid(number), needed, ..entry(0, 0, 0, 0, false) });
        let list = List::new(entries);
        let heard = (0..SIZE).map(|number| Sighting { bssid: bssid(number), ..sighting(0, Some(0), Some(0)) });
        let heard: Vec<_> = heard.collect();
        let Recognised { candidates, refused } = recognise(&heard, &list, &Policy::default());
        assert_eq!(candidates.len(), joinable);
        assert!(refused.iter().all(|(_, refusal)| *refusal == Refusal::TooFew { heard: SIZE, needed }));
    }
}

#[test]
fn an_empty_list_knows_nobody() {
    let heard = [sighting(0, Some(0), Some(0))];
    assert_eq!(recognise(&heard, &List::default(), &Policy::default()), Recognised::default());
}

/// Some areas of a few networks, each BSSID once.
fn areas() -> impl Strategy<Value = Vec<ListEntry>> {
    let entries = vec((0..10u8, 0..2u8, 0..3u8, 0..5u8, any::<bool>()), 0..12);
    let of_areas = vec(0..4u32, 3);
    (entries, of_areas).prop_map(|(entries, needed)| {
        let mut seen = BTreeSet::new();
        let listed = entries.into_iter().filter(|(number, ..)| seen.insert(*number));
        listed
            .map(|(number, name, area, security, key)| ListEntry {
                needed: needed[usize::from(area)],
                ..entry(number, name, area, security, key)
            })
            .collect()
    })
}

/// What is heard, mostly as it may be listed, and some of it several times.
fn air() -> impl Strategy<Value = Vec<Sighting>> {
    let name = prop_oneof![8 => Just(Some(0)), 2 => Just(Some(1u8)), 1 => Just(None)];
    let security = prop_oneof![1 => Just(None), 12 => (0..5u8).prop_map(Some)];
    vec((0..12u8, name, security), 0..14)
        .prop_map(|all| all.into_iter().map(|(number, name, security)| sighting(number, name, security)).collect())
}

fn entry(number: u8, name: u8, area: u8, security: u8, key: bool) -> ListEntry {
    let security = SECURITIES[usize::from(security)];
    ListEntry {
        bssid: bssid(number),
        ssid: ssid(name),
        security,
        key: (key && security.needs_key()).then(|| Secret::new("long enough")),
        area: format!("a-{area}").parse().unwrap(),
        needed: 1,
        assurance: Assurance::Witnessed,
        signer: None,
    }
}

fn sighting(number: u8, name: Option<u8>, security: Option<u8>) -> Sighting {
    let security = security.map(|security| SECURITIES[usize::from(security)]);
    Sighting { bssid: bssid(number), ssid: name.map(ssid), security, signal: -50, freq: 2412 }
}

fn bssid(number: u8) -> Bssid {
    Mac([2, 0, 0, 0, 1, number]).try_into().unwrap()
}

fn ssid(name: u8) -> Ssid {
    Ssid::new(&[0xff, name]).unwrap()
}

const SECURITIES: [Security; 5] = [Security::Open, Security::Owe, Security::Psk, Security::PskSae, Security::Sae];
