//! The file of one region as it travels: signed, and compressed as the server does it.

use std::error::Error;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::signature::Ed25519KeyPair;
use welcome_proto::lookup::ListEntry;
use welcome_proto::signed::Signed;
use welcome_proto::snapshot::{Asked, Cell, Snapshot, read};

use crate::row;
use crate::world::network;

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    // Without keys, as everybody gets it.
    let entries: Vec<_> = (0..NETWORKS).flat_map(network).map(|entry| ListEntry { key: None, ..entry }).collect();
    let (cell, count): (Cell, _) = ("851f8d47fffffff".parse()?, entries.len());
    let snapshot = Snapshot::of(cell.clone(), None, NOW, entries, None);
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| "32 bytes are no seed")?;
    let sign = |message: &[u8]| key.sign(message).as_ref().try_into().expect("Ed25519 signs in 64 bytes");
    let text = serde_json::to_vec(&Signed::make(&snapshot, sign)?)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text)?;
    let file = encoder.finish()?;
    let asked = Asked { cell: &cell, after: None, now: NOW };
    if read(flate2::read::GzDecoder::new(&file[..]), asked, |_, _| true)? != snapshot {
        return Err("the snapshot comes out as another one".into());
    }
    println!("# client: a region with {count} BSSIDs of {NETWORKS} networks, each in an area of its own");
    let per_bss = |bytes: usize| format!("{:.1}", bytes as f64 / count as f64);
    row("client.snapshot_bytes_per_bss", &per_bss(file.len()), "bytes");
    row("client.snapshot_bytes_per_bss.plain", &per_bss(text.len()), "bytes");
    Ok(())
}

/// Some ten kilometres of a town.
const NETWORKS: u32 = 2000;
const NOW: u64 = 1_795_000_000;
