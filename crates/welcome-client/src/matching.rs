//! Which of the heard networks may be joined, and by which variant of the method.
//!
//! In: what was heard, and the list. Out: the candidates, strongest first, and those that carry a listed BSSID without
//! being what the list says.
//!
//! The BSSID decides. It is easily copied, so whatever else the list says must hold too: anybody can put up an open
//! network with a listed BSSID, and would get our traffic if the list said that a key is needed. Where one BSSID is heard
//! both as it is listed and otherwise, somebody copies it, and whose frames are whose nobody can tell: neither is joined,
//! and it counts for none of the others.
//!
//! | variant | heard | from the list |
//! |---|---|---|
//! | 1 | a listed BSSID | its name |
//! | 2 | a listed BSSID | its name and key |
//! | 3 | at least N listed BSSIDs of one area | the name of one of them |
//! | 4 | at least N listed BSSIDs | the name and key of one of them |
//!
//! N comes with each area, and is never below what the program itself asks for.

use crate::list::Listed;
use crate::{List, Sighting};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use welcome_proto::announce::Security;
use welcome_proto::lookup::ListEntry;
use welcome_proto::{AreaId, Bssid};

/// What a program asks for beyond the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The least N, whatever an area says; 1 leaves it to the list.
    pub at_least: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { at_least: 1 }
    }
}

/// By which claim of the method a network is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// One BSSID gives a name.
    One = 1,
    /// One BSSID gives a name and a key.
    Two = 2,
    /// Several BSSIDs of one area give a name.
    Three = 3,
    /// Several BSSIDs give a name and a key.
    Four = 4,
}

impl Variant {
    /// 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A network that may be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As it was heard; its `security` is how to join, at least as strong as listed.
    pub sighting: Sighting,
    /// What the list says.
    pub entry: ListEntry,
    /// By what it was recognised.
    pub variant: Variant,
}

/// What came of comparing the air with the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recognised {
    /// Those that can be joined, strongest first; equally strong ones by address.
    pub candidates: Vec<Candidate>,
    /// Those with a listed BSSID that cannot, and why, by address.
    pub refused: Vec<(Sighting, Refusal)>,
}

/// Why a network with a listed BSSID is not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It carries another name than the list says, or none: somebody else with a copied address, or an outdated list.
    #[error("it has another name than listed")]
    OtherName,
    /// It is protected less than the list says, or in a way that the list has no word for: as an evil twin would be.
    #[error("it is protected in another way than listed")]
    OtherSecurity,
    /// It is as listed, and its address is heard from somebody who is not: its copy stands beside it.
    #[error("somebody else uses its address, too")]
    Copied,
    /// It needs a key, and the list has none.
    #[error("its key is not in the list")]
    NoKey,
    /// Not enough of its neighbours are heard.
    #[error("only {heard} of at least {needed} listed BSSIDs are heard")]
    TooFew {
        /// How many are.
        heard: u32,
        /// How many have to be.
        needed: u32,
    },
}

impl Refusal {
    /// Whether somebody may be pretending to be the listed network.
    #[must_use]
    pub fn is_suspicious(self) -> bool {
        matches!(self, Self::OtherName | Self::OtherSecurity | Self::Copied)
    }
}

/// Compares what was heard with the list.
#[must_use]
pub fn recognise(heard: &[Sighting], list: &List, policy: &Policy) -> Recognised {
    let mut recognised = Recognised::default();
    let mut genuine = Vec::new();
    for sighting in heard {
        let Some(listed) = list.find(sighting.bssid) else { continue };
        match is_genuine(sighting, listed) {
            Ok(()) => genuine.push((sighting, listed)),
            Err(refusal) => recognised.refused.push((sighting.clone(), refusal)),
        }
    }
    let copies: BTreeSet<Bssid> = recognised.refused.iter().filter(|(s, _)| is_copy(s)).map(|(s, _)| s.bssid).collect();
    genuine.retain(|(sighting, _)| {
        let is_copied = copies.contains(&sighting.bssid);
        if is_copied {
            recognised.refused.push(((*sighting).clone(), Refusal::Copied));
        }
        !is_copied
    });
    let together = Together::of(&genuine);
    for (sighting, listed) in genuine {
        match variant(listed, &together, policy) {
            Ok(variant) => {
                let (sighting, entry) = (sighting.clone(), listed.entry());
                recognised.candidates.push(Candidate { sighting, entry, variant });
            }
            Err(refusal) => recognised.refused.push((sighting.clone(), refusal)),
        }
    }
    recognised.candidates.sort_by_key(|candidate| (Reverse(candidate.sighting.signal), candidate.sighting.bssid));
    recognised.refused.sort_by_key(|(sighting, _)| sighting.bssid);
    recognised
}

/// Whether a bss with a listed address is what the list says.
fn is_genuine(sighting: &Sighting, listed: Listed<'_>) -> Result<(), Refusal> {
    if sighting.ssid.as_ref() != Some(listed.ssid()) {
        Err(Refusal::OtherName)
    } else if !sighting.security.is_some_and(|security| is_as_strong(security, listed.security())) {
        Err(Refusal::OtherSecurity)
    } else {
        Ok(())
    }
}

/// Whether a bss that is not what the list says shows that somebody else uses the address. A beacon without a name does not:
/// an access point that hides its name is heard both with and without it.
fn is_copy(other: &Sighting) -> bool {
    other.ssid.is_some()
}

/// Whether somebody who was promised `listed` may take `heard`. With a key the order is WPA2, both, WPA3; without one, none
/// and OWE. A network that wants a key where none is listed is another one.
fn is_as_strong(heard: Security, listed: Security) -> bool {
    heard.needs_key() == listed.needs_key() && heard >= listed
}

/// Which BSSIDs were heard as they are listed.
struct Together<'a> {
    by_area: BTreeMap<&'a AreaId, BTreeSet<Bssid>>,
}

impl<'a> Together<'a> {
    fn of(genuine: &[(&Sighting, Listed<'a>)]) -> Self {
        let mut by_area = BTreeMap::<&AreaId, BTreeSet<Bssid>>::new();
        for (sighting, listed) in genuine {
            by_area.entry(listed.area()).or_default().insert(sighting.bssid);
        }
        Self { by_area }
    }

    fn in_area(&self, area: &AreaId) -> usize {
        self.by_area.get(area).map_or(0, BTreeSet::len)
    }

    fn in_list(&self) -> usize {
        self.by_area.values().map(BTreeSet::len).sum()
    }
}

fn variant(listed: Listed<'_>, together: &Together<'_>, policy: &Policy) -> Result<Variant, Refusal> {
    let needs_key = listed.security().needs_key();
    if needs_key && !listed.has_key() {
        return Err(Refusal::NoKey);
    }
    let needed = listed.needed().max(policy.at_least);
    if needed <= 1 {
        return Ok(if needs_key { Variant::Two } else { Variant::One });
    }
    // The third claim counts within one area, the fourth in the whole list.
    let (variant, heard) =
        if needs_key { (Variant::Four, together.in_list()) } else { (Variant::Three, together.in_area(listed.area())) };
    let heard = u32::try_from(heard).unwrap_or(u32::MAX);
    if heard >= needed { Ok(variant) } else { Err(Refusal::TooFew { heard, needed }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use welcome_proto::lookup::Assurance;
    use welcome_proto::{Mac, Secret, Ssid};

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
            signer: None,
        }
    }

    fn recognise_all(heard: &[Sighting], entries: impl IntoIterator<Item = ListEntry>) -> Recognised {
        recognise(heard, &List::new(entries), &Policy::default())
    }

    #[test]
    fn the_strongest_listed_network_is_first() {
        let heard = [sighting(1, -70), sighting(2, -40), sighting(3, -20)];
        let recognised = recognise_all(&heard, [entry(1), entry(2)]);
        let order: Vec<_> = recognised.candidates.iter().map(|candidate| candidate.entry.bssid).collect();
        assert_eq!(order, [bssid(2), bssid(1)]);
    }

    #[test]
    fn a_listed_bssid_with_another_name_is_refused() {
        let heard = [Sighting { ssid: Some(name(1)), ..sighting(1, -20) }, Sighting { ssid: None, ..sighting(2, -20) }];
        let recognised = recognise_all(&heard, [entry(1), entry(2)]);
        assert_eq!(recognised.candidates, []);
        assert!(recognised.refused.iter().all(|(_, refusal)| *refusal == Refusal::OtherName));
        assert_eq!(recognised.refused.len(), 2);
    }

    #[test]
    fn an_open_network_does_not_pass_for_one_with_a_key() {
        let heard = [sighting(1, -20)];
        let list = [ListEntry { security: Security::Psk, key: Some(Secret::new("long enough")), ..entry(1) }];
        assert_eq!(recognise_all(&heard, list).refused, [(heard[0].clone(), Refusal::OtherSecurity)]);
    }

    #[test]
    fn an_address_that_somebody_copies_is_joined_nowhere_and_counts_for_nobody() {
        let listed = |number| ListEntry { needed: 2, ..entry(number) };
        for twin in
            [Sighting { ssid: Some(name(1)), ..sighting(1, -20) }, Sighting { security: None, ..sighting(1, -20) }]
        {
            let heard = [sighting(1, -50), twin.clone(), sighting(2, -60)];
            let recognised = recognise_all(&heard, [listed(1), listed(2)]);
            assert_eq!(recognised.candidates, []);
            assert!(recognised.refused.contains(&(heard[0].clone(), Refusal::Copied)));
            assert!(recognised.refused.iter().any(|(other, refusal)| *other == twin && refusal.is_suspicious()));
            assert!(recognised.refused.contains(&(heard[2].clone(), Refusal::TooFew { heard: 1, needed: 2 })));
        }
    }

    #[test]
    fn an_access_point_that_hides_its_name_is_not_taken_for_its_own_copy() {
        let heard = [sighting(1, -50), Sighting { ssid: None, ..sighting(1, -50) }];
        assert_eq!(recognise_all(&heard, [entry(1)]).candidates.len(), 1);
    }

    #[test]
    fn a_network_whose_key_we_lack_is_refused() {
        let heard = [Sighting { security: Some(Security::Psk), ..sighting(1, -20) }];
        let list = [ListEntry { security: Security::Psk, ..entry(1) }];
        assert_eq!(recognise_all(&heard, list).refused, [(heard[0].clone(), Refusal::NoKey)]);
    }
}
