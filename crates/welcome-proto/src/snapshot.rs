//! Lists in advance: what is shared in one region, signed, so that it may come from any cache or be carried by hand.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/directory` | [`Directory`]: the key that signs, and what there is |
//! | `GET /v1/snapshots` | [`Index`]: every part of every region, each with its tag |
//! | `GET /v1/snapshots/{cell}` | gzip of a [`Signed`] [`Snapshot`], without keys |
//! | `GET /v1/snapshots/{cell}/keys` | the same with the keys that the asking program may have |
//!
//! [`read`] takes such a document for good, or says why not. It knows no cryptography and no compression: who calls it
//! brings both, and what comes out of the decompressor is counted here.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::announce::Security;
use crate::ids::{IdError, as_string};
use crate::lookup::{Assurance, ListEntry, is_one, one};
use crate::signature::MAX_SKEW;
use crate::signed::{Signable, Signed};
use crate::{AreaId, Bssid, Secret, Ssid};

/// The resolution of the cells of regions: about 10 km from centre to corner.
pub const RESOLUTION: u8 = 5;
/// The most entries of one part, and so of one area in it.
pub const MAX_ENTRIES: usize = 10_000;
/// The most bytes of a document, decompressed: a full part of long names and keys stays below it.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;
/// How often a part that stays as it is gets another signature, in seconds.
pub const RENEWED_EVERY: u64 = 4 * 86_400;
/// How long a snapshot is good, in seconds. Twice as long as the above, so that a client that has the newest one has days.
pub const GOOD_FOR: u64 = 2 * RENEWED_EVERY;

/// An H3 cell in its text form: 15 lower-case hexadecimal digits. Of which resolution is for its user to say.
///
/// ```
/// use welcome_proto::snapshot::Cell;
/// assert!("851f8d47fffffff".parse::<Cell>().is_ok());
/// for bad in ["", "851F8D47fffffff", "851f8d47ffffff", "0851f8d47fffffff", "851f8d47ffffff/"] {
///     assert!(bad.parse::<Cell>().is_err(), "{bad}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(Box<str>);

impl Cell {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cell {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 15 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(IdError::new("H3 cell", "15 lower-case hexadecimal digits"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_string!(Cell);

/// What a directory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// What it is called: the name under which it is reached.
    pub name: String,
    /// The Ed25519 key that signs its snapshots: 32 bytes, base64url without padding.
    pub public_key: String,
    /// Whether anybody may ask; else it takes a token with the scope `read:areas`.
    pub open: bool,
    /// The resolutions of the H3 cells that there are snapshots of.
    pub resolutions: Vec<u8>,
}

/// A page of the list of all snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Index {
    /// In the order of cells; none for a cell in which nothing is shared.
    pub snapshots: Vec<Part>,
    /// Where the next page starts (`?after=`), if there is one. A page may be empty and yet have a next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its region.
    pub cell: Cell,
    /// What to ask for it (`?after=`); absent for the first part of its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Its `ETag`: who has the document of this tag has the newest.
    pub etag: String,
    /// How many entries it has.
    pub entries: u64,
}

/// One part of what is shared in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The region.
    pub cell: Cell,
    /// Which part: that which was asked for with this `?after=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The beginning of the days for which it was signed, in seconds of Unix time.
    pub issued: u64,
    /// From when on it counts for nothing; at most [`GOOD_FOR`] after `issued`.
    pub expires: u64,
    /// At most [`MAX_ENTRIES`] BSSIDs in all. An area may go on in the next part.
    pub areas: Vec<Area>,
    /// Where the next part starts, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Signable for Snapshot {
    const PREFIX: &'static str = "welcome snapshot v1\n";
}

/// Networks that are heard together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Its name.
    pub area: AreaId,
    /// As [`ListEntry::needed`].
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub needed: u32,
    /// What is shared there.
    pub networks: Vec<Network>,
}

/// A name on the air, and who may carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// As [`ListEntry::ssid`].
    pub ssid: Ssid,
    /// How to join.
    pub security: Security,
    /// As [`ListEntry::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Why the server believes it.
    pub assurance: Assurance,
    /// As [`ListEntry::signer`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Ascending.
    pub bssids: Vec<Bssid>,
}

impl Snapshot {
    /// Puts entries together. The same entries make the same text, in whichever order they come.
    #[must_use]
    pub fn of(
        cell: Cell,
        after: Option<String>,
        issued: u64,
        mut entries: Vec<ListEntry>,
        next: Option<String>,
    ) -> Self {
        fn area(e: &ListEntry) -> (&AreaId, u32) {
            (&e.area, e.needed)
        }
        fn network(e: &ListEntry) -> (&Ssid, Security, Option<&str>, Assurance, Option<&str>) {
            (&e.ssid, e.security, e.key.as_ref().map(Secret::reveal), e.assurance, e.signer.as_deref())
        }
        entries.sort_by(|a, b| (area(a), network(a), a.bssid).cmp(&(area(b), network(b), b.bssid)));
        entries.dedup();
        let networks =
            |entries: &[ListEntry]| entries.chunk_by(|a, b| network(a) == network(b)).map(Network::of).collect();
        let areas = entries.chunk_by(|a, b| area(a) == area(b)).map(|entries| Area {
            area: entries[0].area.clone(),
            needed: entries[0].needed,
            networks: networks(entries),
        });
        Self { cell, after, issued, expires: issued + GOOD_FOR, areas: areas.collect(), next }
    }

    /// What is in it, one BSSID after the other.
    pub fn entries(&self) -> impl Iterator<Item = ListEntry> {
        let networks = self.areas.iter().flat_map(|area| area.networks.iter().map(move |network| (area, network)));
        networks.flat_map(|(Area { area, needed, .. }, network)| {
            network.bssids.iter().map(move |bssid| ListEntry {
                bssid: *bssid,
                ssid: network.ssid.clone(),
                security: network.security,
                key: network.key.clone(),
                area: area.clone(),
                needed: *needed,
                assurance: network.assurance,
                signer: network.signer.clone(),
            })
        })
    }

    /// How many BSSIDs are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.areas.iter().flat_map(|area| &area.networks).map(|network| network.bssids.len()).sum()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Network {
    /// Of entries that differ in their BSSID alone; there is one at least.
    fn of(entries: &[ListEntry]) -> Self {
        let ListEntry { ssid, security, key, assurance, signer, .. } = &entries[0];
        let bssids = entries.iter().map(|e| e.bssid).collect();
        Self {
            ssid: ssid.clone(),
            security: *security,
            key: key.clone(),
            assurance: *assurance,
            signer: signer.clone(),
            bssids,
        }
    }
}

/// Which document was asked for, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The region.
    pub cell: &'a Cell,
    /// The part.
    pub after: Option<&'a str>,
    /// Seconds of Unix time.
    pub now: u64,
}

/// Takes a decompressed document for the snapshot that was asked for. `document` is best the decompressor itself: no more
/// than [`MAX_DOCUMENT`] bytes are taken from it. `verify` gets a message and its signature, and says whether that is the
/// directory's.
///
/// # Errors
/// If it is anything but that.
pub fn read(
    document: impl Read,
    asked: Asked<'_>,
    verify: impl FnOnce(&[u8], &[u8; 64]) -> bool,
) -> Result<Snapshot, Refused> {
    let mut bytes = Vec::new();
    document.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(Refused::Broken)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Refused::TooMuch);
    }
    let signed: Signed = serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed)?;
    let signature = signed.signature_bytes().ok_or(Refused::Forged)?;
    if !verify(&signed.message::<Snapshot>(), &signature) {
        return Err(Refused::Forged);
    }
    let snapshot: Snapshot = serde_json::from_str(&signed.statement).map_err(|_| Refused::Malformed)?;
    let Snapshot { cell, after, issued, expires, areas, .. } = &snapshot;
    let networks = || areas.iter().flat_map(|area| &area.networks);
    match () {
        () if cell != asked.cell || after.as_deref() != asked.after => Err(Refused::Another),
        () if *expires <= asked.now => Err(Refused::Expired),
        () if *issued > asked.now.saturating_add(MAX_SKEW) => Err(Refused::Malformed),
        () if expires.saturating_sub(*issued) > GOOD_FOR => Err(Refused::Malformed),
        () if areas.iter().any(|area| area.needed == 0) => Err(Refused::Malformed),
        () if networks().any(|network| network.key.is_some() && !network.security.needs_key()) => {
            Err(Refused::Malformed)
        }
        () if snapshot.len() > MAX_ENTRIES => Err(Refused::TooMuch),
        () => Ok(snapshot),
    }
}

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It could not be read to its end.
    #[error("the snapshot did not arrive whole: {0}")]
    Broken(std::io::Error),
    /// More than a client takes.
    #[error("the snapshot is larger than a snapshot may be")]
    TooMuch,
    /// Not what a directory signs.
    #[error("the snapshot is not of the form of one")]
    Malformed,
    /// Not signed by this directory.
    #[error("the snapshot is not signed by this directory")]
    Forged,
    /// Signed well, for another region or part.
    #[error("the snapshot is of another region")]
    Another,
    /// It is over.
    #[error("the snapshot is out of date")]
    Expired,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_000_000;

    fn cell() -> Cell {
        "851f8d47fffffff".parse().unwrap()
    }

    fn asked(cell: &Cell) -> Asked<'_> {
        Asked { cell, after: None, now: NOW }
    }

    fn entry(bssid: &str, area: &str, ssid: &str) -> ListEntry {
        ListEntry {
            bssid: bssid.parse().unwrap(),
            ssid: ssid.parse().unwrap(),
            security: Security::Psk,
            key: None,
            area: area.parse().unwrap(),
            needed: 1,
            assurance: Assurance::Vouched,
            signer: None,
        }
    }

    /// Signed with a signature that is the length of the message, eight times over.
    fn sign(snapshot: &Snapshot) -> Vec<u8> {
        let signed = Signed::make(snapshot, |message| [message.len().to_be_bytes(); 8].concat().try_into().unwrap());
        serde_json::to_vec(&signed.unwrap()).unwrap()
    }

    fn verify(message: &[u8], signature: &[u8; 64]) -> bool {
        signature[..8] == message.len().to_be_bytes()
    }

    fn snapshot() -> Snapshot {
        let entries = vec![
            entry("02:00:00:00:02:00", "a-1", "Cafe"),
            entry("02:00:00:00:01:00", "a-1", "Cafe"),
            entry("02:00:00:00:03:00", "a-2", "Bar"),
        ];
        Snapshot::of(cell(), None, NOW - 60, entries, None)
    }

    #[test]
    fn what_a_directory_signs_is_taken_and_names_each_network_once() {
        let read = read(&sign(&snapshot())[..], asked(&cell()), verify).unwrap();
        assert_eq!(read, snapshot());
        assert_eq!((read.areas.len(), read.areas[0].networks.len(), read.len()), (2, 1, 3));
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(
            text,
            r#"{"cell":"851f8d47fffffff","issued":1794999940,"expires":1795691140,"areas":[{"area":"a-1","networks":[{"ssid":"Cafe","security":"psk","assurance":"vouched","bssids":["02:00:00:00:01:00","02:00:00:00:02:00"]}]},{"area":"a-2","networks":[{"ssid":"Bar","security":"psk","assurance":"vouched","bssids":["02:00:00:00:03:00"]}]}]}"#
        );
    }

    #[test]
    fn another_region_or_part_or_time_is_refused() {
        let document = sign(&snapshot());
        let elsewhere: Cell = "85283473fffffff".parse().unwrap();
        let refused = |asked: Asked<'_>| read(&document[..], asked, verify).unwrap_err();
        assert!(matches!(refused(asked(&elsewhere)), Refused::Another));
        assert!(matches!(refused(Asked { after: Some("x"), ..asked(&cell()) }), Refused::Another));
        assert!(matches!(refused(Asked { now: NOW + GOOD_FOR, ..asked(&cell()) }), Refused::Expired));
        assert!(matches!(refused(Asked { now: 0, ..asked(&cell()) }), Refused::Malformed));
        assert!(matches!(read(&document[..], asked(&cell()), |_, _| false).unwrap_err(), Refused::Forged));
    }

    #[test]
    fn a_signature_makes_nothing_good_of_what_breaks_a_limit() {
        let refused = |change: &dyn Fn(&mut Snapshot)| {
            let mut snapshot = snapshot();
            change(&mut snapshot);
            read(&sign(&snapshot)[..], asked(&cell()), verify).unwrap_err()
        };
        assert!(matches!(refused(&|s| s.expires += 61), Refused::Malformed), "good for too long");
        assert!(matches!(refused(&|s| s.areas[0].needed = 0), Refused::Malformed));
        let keyed = |s: &mut Snapshot| {
            let network = &mut s.areas[0].networks[0];
            (network.security, network.key) = (Security::Open, Some(Secret::new("x".to_owned())));
        };
        assert!(matches!(refused(&keyed), Refused::Malformed));
        let crowded = |s: &mut Snapshot| {
            let bssids = &mut s.areas[0].networks[0].bssids;
            *bssids = vec![bssids[0]; MAX_ENTRIES];
        };
        assert!(matches!(refused(&crowded), Refused::TooMuch));
    }

    #[test]
    fn no_more_is_taken_from_a_decompressor_than_a_document_may_have() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                to.fill(b' ');
                self.0 += to.len() as u64;
                Ok(to.len())
            }
        }
        let mut endless = Endless(0);
        assert!(matches!(read(&mut endless, asked(&cell()), verify).unwrap_err(), Refused::TooMuch));
        assert!(endless.0 <= MAX_DOCUMENT + 1);
    }

    #[test]
    fn the_largest_part_is_not_too_large() {
        let entry = |n: u64| {
            let [_, _, bytes @ ..] = n.to_be_bytes();
            ListEntry {
                bssid: crate::Mac(bytes).try_into().unwrap(),
                ssid: Ssid::new(&[0xff; 32]).unwrap(),
                security: Security::PskSae,
                key: Some(Secret::new("\"".repeat(63))),
                area: "a".repeat(64 - 6).parse::<AreaId>().map(|a| format!("{a}{n:06}").parse().unwrap()).unwrap(),
                needed: u32::MAX,
                assurance: Assurance::Witnessed,
                signer: None,
            }
        };
        let entries = (1..=MAX_ENTRIES as u64).map(entry).collect();
        let largest = Snapshot::of(cell(), None, NOW, entries, None);
        assert_eq!(read(&sign(&largest)[..], asked(&cell()), verify).unwrap().len(), MAX_ENTRIES);
    }

    prop_compose! {
        fn any_entry()(mac: [u8; 2], area in "a-[0-9]", ssid in "[A-C]", needed in 1..3u32, keyed: bool, witnessed: bool)
            -> ListEntry
        {
            ListEntry {
                bssid: crate::Mac([2, 0, 0, 0, mac[0], mac[1]]).try_into().unwrap(),
                ssid: ssid.parse().unwrap(),
                security: Security::Psk,
                key: keyed.then(|| Secret::new("correct horse".to_owned())),
                area: area.parse().unwrap(),
                needed,
                assurance: if witnessed { Assurance::Witnessed } else { Assurance::Vouched },
                signer: None,
            }
        }
    }

    proptest! {
        #[test]
        fn no_entry_is_lost_and_their_order_means_nothing(entries in prop::collection::vec(any_entry(), 0..40)) {
            let of = |entries: Vec<ListEntry>| Snapshot::of(cell(), None, NOW, entries, None);
            let made = of(entries.clone());
            prop_assert_eq!(&of(entries.iter().rev().cloned().collect()), &made);
            prop_assert_eq!(&of(made.entries().collect()), &made);
            prop_assert!(entries.iter().all(|e| made.entries().any(|m| m == *e)));
            prop_assert!(made.entries().all(|m| entries.contains(&m)));
            prop_assert_eq!(read(&sign(&made)[..], asked(&cell()), verify).unwrap(), made);
        }

        #[test]
        fn a_changed_byte_is_never_taken_for_good(at in any::<prop::sample::Index>(), byte: u8) {
            let honest = |message: &[u8], _: &[u8; 64]| {
                let good: Signed = serde_json::from_slice(&sign(&snapshot())).unwrap();
                message == good.message::<Snapshot>()
            };
            let mut document = sign(&snapshot());
            let at = at.index(document.len());
            document[at] = byte;
            if let Ok(read) = read(&document[..], asked(&cell()), honest) {
                prop_assert_eq!(read, snapshot());
            }
        }

        #[test]
        fn nothing_unsigned_is_taken(document in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&document[..], asked(&cell()), |_, _| false).is_err());
        }
    }
}
