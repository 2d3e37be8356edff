//! What is told in advance: snapshots of regions, made when somebody asks, signed with the directory's key.
//!
//! A snapshot of the same entries is the same to the byte in every process and for days, so its tag may be strong and any
//! cache may keep it: the time it bears is the beginning of its region's days ([`issued`]), which begin at another moment in
//! each region, so that not all of them come anew at once. What was made is remembered for a moment.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{OnceCell, Semaphore};
use welcome_proto::lookup::ListEntry;
use welcome_proto::snapshot::{MAX_ENTRIES, RENEWED_EVERY, Snapshot};

use crate::key::Key;
use crate::place::{self, Cell};
use crate::seal::Seal;
use crate::store::{Cursor, KeysFor, Store, StoreError, Which};
use crate::token;

/// Under which name the directory's key is kept, and where it is sealed for.
pub(crate) const KEY: &str = "directory key";

/// Makes snapshots.
#[derive(Debug)]
pub(crate) struct Directory {
    store: Store,
    seal: Seal,
    key: OnceCell<Arc<Key>>,
    made: Mutex<Made>,
    making: Semaphore,
}

/// One part of a region, as it travels.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Of gzip.
    pub(crate) bytes: Bytes,
    /// With its quotes.
    pub(crate) etag: String,
    pub(crate) entries: usize,
    pub(crate) next: Option<Cursor>,
}

impl Directory {
    pub(crate) fn new(store: Store, seal: Seal) -> Self {
        Self { store, seal, key: OnceCell::new(), made: Mutex::default(), making: Semaphore::new(MAKING) }
    }

    /// The key that signs snapshots; the first process that needs it makes it.
    pub(crate) async fn key(&self) -> Result<Arc<Key>, StoreError> {
        let open = || async {
            let kept = self.store.server_value(KEY, &Key::make(&self.seal, KEY).sealed).await?;
            Ok::<_, StoreError>(Arc::new(Key::open(&self.seal, KEY, &kept)?))
        };
        self.key.get_or_try_init(open).await.cloned()
    }

    /// A part of a region, without keys. Not older than [`FRESH`].
    pub(crate) async fn part(&self, cell: Cell, after: Option<Cursor>, now: u64) -> Result<Part, StoreError> {
        let name = (cell, after.as_ref().map(Cursor::to_string));
        if let Some(part) = self.remembered(&name) {
            return Ok(part);
        }
        let _turn = self.making.acquire().await;
        // Whoever had the turn before may have made just this.
        if let Some(part) = self.remembered(&name) {
            return Ok(part);
        }
        let part = self.make(cell, after, &KeysFor::Nobody, now).await?;
        self.made().keep(name, part.clone());
        Ok(part)
    }

    /// A part of a region with the keys that this program may have. It is made anew each time: keys are kept nowhere.
    pub(crate) async fn part_with_keys(
        &self,
        cell: Cell,
        after: Option<Cursor>,
        keys: &KeysFor,
        now: u64,
    ) -> Result<Part, StoreError> {
        let _turn = self.making.acquire().await;
        self.make(cell, after, keys, now).await
    }

    async fn make(&self, cell: Cell, after: Option<Cursor>, keys: &KeysFor, now: u64) -> Result<Part, StoreError> {
        let key = self.key().await?;
        let which = Which::Region(cell);
        // One more than the part has tells whether there is another.
        let mut rows = self.store.list(&self.seal, &which, keys, after.as_ref(), MAX_ENTRIES + 1, now).await?;
        let more = rows.len() > MAX_ENTRIES;
        rows.truncate(MAX_ENTRIES);
        let next = rows.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        let entries: Vec<ListEntry> = rows.into_iter().map(|(_, entry)| entry).collect();
        let after = after.map(|cursor| cursor.to_string());
        let write = move || {
            let region = place::name(cell).ok_or(StoreError::Unreadable("cell"))?;
            let issued = issued(cell, now);
            let snapshot = Snapshot::of(region, after, issued, entries, next.as_ref().map(Cursor::to_string));
            let entries = snapshot.len();
            let unwritable = |_| StoreError::Unreadable("snapshot");
            let signed = key.sign(&snapshot).map_err(unwritable)?;
            let etag = format!("\"{}\"", token::hex(&token::sha256(signed.statement.as_bytes())[..16]));
            let text = serde_json::to_vec(&signed).map_err(unwritable)?;
            let bytes = gzip(&text).map_err(|_| StoreError::Unreadable("snapshot"))?;
            Ok(Part { bytes: bytes.into(), etag, entries, next })
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| StoreError::Unreadable("snapshot"))?
    }

    fn remembered(&self, name: &Name) -> Option<Part> {
        let made = self.made();
        made.parts.get(name).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, part)| part.clone())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a part is remembered. Another process may know better, and a proof may end.
pub(crate) const FRESH: Duration = Duration::from_secs(60);
/// Parts that are made at once; each takes some megabytes and a while of a processor.
const MAKING: usize = 2;
/// Bytes of parts that are remembered.
const ROOM: usize = 32 * 1024 * 1024;
/// What a part costs beside its bytes, about.
const COST: usize = 512;

type Name = (Cell, Option<String>);

/// Parts that were made, each with when.
#[derive(Debug, Default)]
struct Made {
    parts: BTreeMap<Name, (Instant, Part)>,
    bytes: usize,
}

impl Made {
    fn keep(&mut self, name: Name, part: Part) {
        self.forget(&name);
        let needed = COST + part.bytes.len();
        while self.bytes + needed > ROOM {
            let oldest = self.parts.iter().min_by_key(|(_, (at, _))| *at).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { return };
            self.forget(&oldest);
        }
        self.bytes += needed;
        self.parts.insert(name, (Instant::now(), part));
    }

    fn forget(&mut self, name: &Name) {
        if let Some((_, part)) = self.parts.remove(name) {
            self.bytes -= COST + part.bytes.len();
        }
    }
}

/// When the days began for which a region's snapshot is signed at this moment.
fn issued(cell: Cell, now: u64) -> u64 {
    let [a, b, c, d, ..] = token::sha256(&cell.to_be_bytes());
    let offset = u64::from(u32::from_be_bytes([a, b, c, d])) % RENEWED_EVERY;
    now - (now + offset) % RENEWED_EVERY
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    // Without a time of its own, so that the same text gives the same bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, MAX_BSS, MAX_NETWORKS, Place, Security};
    use welcome_proto::snapshot::{Asked, read};
    use welcome_proto::{Bssid, Mac};

    use super::*;
    use crate::ids::OrgId;
    use crate::key::org_place;
    use crate::store::{By, NewToken};

    const NOW: u64 = 1_795_000_000;

    fn part(bytes: usize) -> Part {
        Part { bytes: vec![0; bytes].into(), etag: String::new(), entries: 0, next: None }
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_the_oldest_goes() {
        let mut made = Made::default();
        for cell in 0..5 {
            made.keep((cell, None), part(ROOM / 3));
        }
        let cells: Vec<_> = made.parts.keys().map(|(cell, _)| *cell).collect();
        assert_eq!(cells, [3, 4]);
        made.keep((4, None), part(1));
        assert_eq!(made.bytes, ROOM / 3 + 1 + 2 * COST);
        made.keep((5, None), part(ROOM));
        assert!(made.parts.is_empty() && made.bytes == 0, "larger than all the room");
    }

    /// A router that announces as much as one may, at one place.
    async fn announce_all(store: &Store, seal: &Seal, org: &OrgId, number: u8) {
        let token = token::hash(&format!("token {number}"));
        let new = NewToken { org, name: "", area: None, vouch: true, expires: NOW + 1 };
        store.add_enrolment_token(token, &new, By { who: "test", at: NOW }).await.unwrap();
        let router = store.enrol(token, [number; 32], "", token::new_router_id(), NOW).await.unwrap().unwrap().router;
        let bss = |n: usize| {
            let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
            let bssid: Bssid = Mac([2, 0, 0, number, high, low]).try_into().unwrap();
            AnnouncedBss { bssid, freq: None }
        };
        let network = |n: usize| AnnouncedNetwork {
            id: format!("n{n}").parse().unwrap(),
            ssid: "Cafe".parse().unwrap(),
            security: Security::Open,
            key: None,
            place: Some(Place::new(48.1374, 11.5755).unwrap()),
            bss: (n * MAX_BSS..(n + 1) * MAX_BSS).map(bss).collect(),
        };
        let networks: Vec<_> = (0..MAX_NETWORKS).map(network).collect();
        store.announce(seal, &router, 1, &networks, &BTreeMap::new(), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn a_region_of_more_than_a_part_comes_in_parts_that_lose_and_repeat_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let (seal, org) = (Seal::parse(&"a".repeat(64)).unwrap(), OrgId::random());
        store.first_start(&org, &Key::make(&seal, &org_place(&org)), NOW).await.unwrap();
        for number in 0..3 {
            announce_all(&store, &seal, &org, number).await;
        }
        let directory = Directory::new(store, seal);
        let cell = place::parse_region("851f8d47fffffff").unwrap();
        let (region, mut after, mut sizes, mut found) = (place::name(cell).unwrap(), None, Vec::new(), BTreeSet::new());
        loop {
            let part = directory.part(cell, after.clone(), NOW).await.unwrap();
            let named = after.as_ref().map(Cursor::to_string);
            let asked = Asked { cell: &region, after: named.as_deref(), now: NOW };
            let snapshot = read(flate2::read::GzDecoder::new(&part.bytes[..]), asked, |_, _| true).unwrap();
            assert_eq!((snapshot.len(), snapshot.next), (part.entries, part.next.as_ref().map(Cursor::to_string)));
            sizes.push(part.entries);
            found.extend(snapshot.areas.into_iter().flat_map(|a| a.networks).flat_map(|n| n.bssids));
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [MAX_ENTRIES, 3 * MAX_NETWORKS * MAX_BSS - MAX_ENTRIES]);
        assert_eq!(found.len(), 3 * MAX_NETWORKS * MAX_BSS);
    }

    proptest! {
        #[test]
        fn the_days_of_a_region_begin_at_its_own_moment_and_go_on_without_a_gap(cell in 1..i64::MAX, now in 1_795_000_000..2_000_000_000u64) {
            let begin = issued(cell, now);
            prop_assert!(begin <= now && now - begin < RENEWED_EVERY);
            prop_assert_eq!(issued(cell, begin), begin);
            prop_assert_eq!(issued(cell, begin - 1), begin - RENEWED_EVERY);
        }
    }
}
