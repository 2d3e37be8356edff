//! A million entries in memory: in the library's list, and in std's map. Each measures itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use welcome_client::{List, Policy, Sighting, recognise};
use welcome_proto::Bssid;
use welcome_proto::lookup::ListEntry;

use crate::row;
use crate::world::{BSSIDS, HEARD, LISTED, entries, place};

/// The library's own: the whole comparison with what is heard.
pub(crate) fn library() -> Result<(), Box<dyn Error>> {
    let list = List::new(entries());
    ensure(list.len() == BSSIDS, "the list has lost something")?;
    let times = times(|heard| recognise(heard, &list, &Policy::default()).candidates.len())?;
    row("client.match60of1m", &microseconds(times[PLACES / 2]), "us");
    row("client.match.rss", &memory("VmRSS:")?, "kB");
    row("client.match.rss.peak", &memory("VmHWM:")?, "kB");
    Ok(())
}

/// The peer: a look-up of each.
pub(crate) fn map() -> Result<(), Box<dyn Error>> {
    let map: BTreeMap<Bssid, ListEntry> = entries().map(|entry| (entry.bssid, entry)).collect();
    ensure(map.len() == BSSIDS, "the map has lost something")?;
    let times = times(|heard| heard.iter().filter_map(|sighting| map.get(&sighting.bssid).cloned()).count())?;
    row("peer.btreemap.lookup60of1m", &microseconds(times[PLACES / 2]), "us");
    row("peer.btreemap.rss", &memory("VmRSS:")?, "kB");
    Ok(())
}

/// How long it takes to find what is listed at each of many places, shortest first.
fn times(find: impl Fn(&[Sighting]) -> usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(PLACES);
    for number in 0..u32::try_from(PLACES)? {
        let heard = place(number);
        ensure(heard.len() == HEARD, "something else is heard")?;
        let begin = Instant::now();
        let found = black_box(find(black_box(&heard)));
        times.push(begin.elapsed());
        ensure(found == LISTED, "something else was found")?;
    }
    times.sort_unstable();
    Ok(times)
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn microseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}

/// What this process has of memory, in kB.
fn memory(name: &str) -> Result<u32, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("the kernel does not tell")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

/// More than fit into the processor's cache.
const PLACES: usize = 5000;
