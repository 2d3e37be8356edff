//! What a directory or an organisation signs. Each has the key that grows from one number.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use welcome_proto::lookup::Listing;
use welcome_proto::signed::{Signable, Signed, Statement};
use welcome_proto::snapshot::Snapshot;

pub fn public_key(seed: u8) -> String {
    URL_SAFE_NO_PAD.encode(pair(seed).public_key())
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a directory says of itself.
pub fn directory(seed: u8) -> Value {
    json!({ "name": "directory.test", "public_key": public_key(seed), "open": true, "resolutions": [5] })
}

/// A snapshot as a directory serves it.
pub fn snapshot(seed: u8, cell: &str, issued: u64, entries: Value) -> Vec<u8> {
    part(seed, cell, None, issued, entries, None)
}

/// A part of one.
pub fn part(seed: u8, cell: &str, after: Option<&str>, issued: u64, entries: Value, next: Option<&str>) -> Vec<u8> {
    let Listing { entries, .. } = serde_json::from_value(json!({ "entries": entries })).unwrap();
    let (after, next) = (after.map(str::to_owned), next.map(str::to_owned));
    let signed = sign(seed, &Snapshot::of(cell.parse().unwrap(), after, issued, entries, next));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&serde_json::to_vec(&signed).unwrap()).unwrap();
    gzip.finish().unwrap()
}

/// An offer of that sender, under the organisation's signature.
pub fn statement(seed: u8, sender: &str, offer: Value) -> Value {
    let statement = json!({ "router": "r-1", "sender": sender, "offer": offer });
    serde_json::to_value(sign::<Statement>(seed, &serde_json::from_value(statement).unwrap())).unwrap()
}

fn sign<T: Signable>(seed: u8, what: &T) -> Signed {
    Signed::make(what, |message| pair(seed).sign(message).as_ref().try_into().unwrap()).unwrap()
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}
