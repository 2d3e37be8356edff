//! A made-up directory: a million BSSIDs of 400 000 networks, two or three to each, with consecutive addresses as access
//! points have them. The same every time.

use welcome_client::Sighting;
use welcome_proto::announce::Security;
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{Bssid, Mac, Secret, Ssid};

/// How many BSSIDs there are.
pub(crate) const BSSIDS: usize = 1_000_000;
/// How many of what is heard at a place are listed.
pub(crate) const LISTED: usize = 30;
/// How many are heard there.
pub(crate) const HEARD: usize = 60;

/// The whole directory, entry by entry.
pub(crate) fn entries() -> impl Iterator<Item = ListEntry> {
    (0..NETWORKS).flat_map(network)
}

/// The entries of one network.
pub(crate) fn network(number: u32) -> impl Iterator<Item = ListEntry> {
    let security = SECURITIES[number as usize % SECURITIES.len()];
    let name = format!("{} {}", NAMES[number as usize % NAMES.len()], number % 9973);
    let one = ListEntry {
        bssid: bssid(number, 0),
        ssid: Ssid::new(name.as_bytes()).expect("a short name is a name"),
        security,
        key: security.needs_key().then(|| Secret::new(format!("{:016x}", u64::from(number) * 0x9e37_79b9))),
        area: format!("a-{:020x}", u128::from(number) * 0x9e37_79b9_7f4a_7c15).parse().expect("digits are an id"),
        needed: 1,
        assurance: Assurance::Witnessed,
        signer: Some(format!("{:043}", number % ORGANISATIONS)),
    };
    // Two and three by turns: a million in all.
    (0..2 + number % 2).map(move |radio| ListEntry { bssid: bssid(number, radio), ..one.clone() })
}

/// What is heard at one of many places: twelve neighbouring networks, and as many BSSIDs that nobody has listed.
pub(crate) fn place(number: u32) -> Vec<Sighting> {
    // Far from each other, so that no place finds in the processor's cache what another one has read.
    let first = number.wrapping_mul(2_654_435_761) % (NETWORKS - TOGETHER) / 2 * 2;
    let listed = (first..first + TOGETHER).flat_map(network).map(|entry| Sighting {
        bssid: entry.bssid,
        ssid: Some(entry.ssid),
        security: Some(entry.security),
        signal: -60,
        freq: 2412,
    });
    let listed: Vec<_> = listed.collect();
    let others = listed.iter().map(|sighting| {
        let mut mac = sighting.bssid.mac();
        mac.0[0] |= 0x40;
        Sighting { bssid: mac.try_into().expect("still no group"), ..sighting.clone() }
    });
    let others: Vec<_> = others.collect();
    // One after the other, as a scan tells them: in no order.
    listed.into_iter().zip(others).flat_map(<[Sighting; 2]>::from).collect()
}

/// The address of a network's radio: a vendor's prefix, a number that scatters, and the last two bits for radios.
fn bssid(network: u32, radio: u32) -> Bssid {
    let [vendor, ..] = (network % 16).to_le_bytes();
    let [_, a, b, c] = ((network.wrapping_mul(0x9e37_79b1) & 0x003f_ffff) << 2 | radio).to_be_bytes();
    Bssid::try_from(Mac([0x1c, 0x28 + vendor, 0xaf, a, b, c])).expect("0x1c is no group address")
}

const NETWORKS: u32 = 400_000;
const TOGETHER: u32 = 12;
const ORGANISATIONS: u32 = 50;
const NAMES: [&str; 8] = [
    "Corner Café",
    "Hotel Post Guests",
    "Bäckerei Huber",
    "FreeWiFi",
    "Library Reading Room",
    "咖啡",
    "Market Hall",
    "Praxis am Platz",
];
const SECURITIES: [Security; 4] = [Security::Psk, Security::Open, Security::PskSae, Security::Sae];
