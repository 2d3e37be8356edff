//! Where the routers of a fleet stand and what they share. Pure: all of it follows from a seed.

use fastrand::Rng;
use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, Place, Security};
use welcome_proto::{Bssid, Mac, Secret, Ssid};

/// A place with one router.
#[derive(Debug, Clone)]
pub struct Venue {
    /// What its router shares: one network for guests, and up to two more.
    pub networks: Vec<AnnouncedNetwork>,
    /// The version of its agent.
    pub version: &'static str,
    kind: &'static Kind,
    utc_offset_h: i8,
    /// How busy it is beside others of its kind.
    size: f64,
}

impl Venue {
    /// The venue of this number in the fleet of this seed.
    #[must_use]
    pub fn new(seed: u64, number: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let city = &CITIES[rng.usize(..CITIES.len())];
        let kind = &KINDS[rng.usize(..KINDS.len())];
        // Denser in the middle of the city: the product of two even draws.
        let distance = |rng: &mut Rng| (rng.f64() - 0.5) * rng.f64() * CITY_DEGREES;
        let (lat, lon) = (city.lat + distance(&mut rng), city.lon + distance(&mut rng));
        let place = Place::new((lat * 1e5).round() / 1e5, (lon * 1e5).round() / 1e5).ok();
        let networks = (0..rng.u8(1..=MAX_NETWORKS)).map(|n| network(&mut rng, seed, number, n, kind, place)).collect();
        let version = VERSIONS[rng.usize(..VERSIONS.len())];
        Self { networks, version, kind, utc_offset_h: city.utc_offset_h, size: 0.4 + 1.2 * rng.f64() }
    }

    /// How many guests come in an hour, at this Unix time.
    #[must_use]
    pub fn arrivals_per_hour(&self, at: f64) -> f64 {
        let hour = (at / 3600.0 + f64::from(self.utc_offset_h)).rem_euclid(24.0);
        // Between the middles of two hours the rate goes straight from the one's to the other's.
        let (before, share) = ((hour + 23.5).rem_euclid(24.0).floor(), (hour + 0.5).fract());
        let weight = |hour: f64| f64::from(self.kind.hours[hour.rem_euclid(24.0) as usize]);
        let weight = weight(before) * (1.0 - share) + weight(before + 1.0) * share;
        self.arrivals_per_day() * weight / self.kind.hours.iter().map(|w| f64::from(*w)).sum::<f64>()
    }

    /// More never come in an hour.
    #[must_use]
    pub fn most_arrivals_per_hour(&self) -> f64 {
        let (most, all) = self
            .kind
            .hours
            .iter()
            .fold((0.0, 0.0), |(most, all), w| (f64::max(most, f64::from(*w)), all + f64::from(*w)));
        self.arrivals_per_day() * most / all
    }

    /// How many guests come in a day.
    #[must_use]
    pub fn arrivals_per_day(&self) -> f64 {
        self.kind.per_day * self.size
    }

    /// How long a guest stays on average, in minutes.
    #[must_use]
    pub fn stay_minutes(&self) -> f64 {
        self.kind.stay_minutes
    }
}

fn network(rng: &mut Rng, seed: u64, router: u32, n: u8, kind: &Kind, place: Option<Place>) -> AnnouncedNetwork {
    let (id, what) = ROLES[usize::from(n)];
    let name = kind.names[usize::try_from(router).unwrap_or_default() % kind.names.len()];
    let ssid = format!("{name}{what}");
    let security = [Security::Psk, Security::PskSae, Security::Open, Security::Sae][rng.usize(..4)];
    let key = security.needs_key().then(|| Secret::new(format!("welcome {}", rng.u32(1000..10_000))));
    // Two bands, and sometimes a second access point.
    let count = if rng.u8(..5) == 0 { 4 } else { 2 };
    let bss = (0..count).map(|b| AnnouncedBss {
        bssid: bssid(seed, router, n * 4 + b),
        freq: Some(if b % 2 == 0 { [2412, 2437, 2462][rng.usize(..3)] } else { [5180, 5220, 5500][rng.usize(..3)] }),
    });
    AnnouncedNetwork {
        id: id.parse().expect("a good name"),
        ssid: Ssid::new(ssid.as_bytes()).expect("the names below are short"),
        security,
        key,
        place,
        bss: bss.collect(),
    }
}

/// Locally administered, and each its own within a fleet.
fn bssid(seed: u64, router: u32, n: u8) -> Bssid {
    let [_, a, b, c] = router.to_be_bytes();
    let [.., low] = seed.to_be_bytes();
    Bssid::try_from(Mac([0x02, low, a, b, c, n])).expect("its first byte is that of one address")
}

const MAX_NETWORKS: u8 = 3;
/// Name of the network for the router, and what its SSID has behind that of the venue.
const ROLES: [(&str, &str); MAX_NETWORKS as usize] = [("guests", ""), ("terrace", " Outside"), ("events", " Events")];
const VERSIONS: [&str; 4] = ["0.1.0", "0.1.0", "0.1.0", "0.0.9"];
/// About 11 km from side to side.
const CITY_DEGREES: f64 = 0.1;

#[derive(Debug)]
struct City {
    lat: f64,
    lon: f64,
    utc_offset_h: i8,
}

/// Munich, Lyon, Tampere, Porto, Shenzhen.
const CITIES: [City; 5] = [
    City { lat: 48.137, lon: 11.575, utc_offset_h: 1 },
    City { lat: 45.764, lon: 4.836, utc_offset_h: 1 },
    City { lat: 61.498, lon: 23.761, utc_offset_h: 2 },
    City { lat: 41.150, lon: -8.611, utc_offset_h: 0 },
    City { lat: 22.543, lon: 114.058, utc_offset_h: 8 },
];

#[derive(Debug)]
struct Kind {
    names: [&'static str; 4],
    per_day: f64,
    stay_minutes: f64,
    /// How the arrivals of a day are spread over its hours.
    hours: [u8; 24],
}

const KINDS: [Kind; 4] = [
    Kind {
        names: ["Corner Café", "Old Mill Coffee", "街角咖啡", "Riverside Bakery"],
        per_day: 90.0,
        stay_minutes: 35.0,
        hours: [0, 0, 0, 0, 0, 1, 4, 10, 14, 11, 9, 8, 11, 10, 7, 8, 8, 6, 4, 3, 2, 1, 0, 0],
    },
    Kind {
        names: ["Station Hotel", "Harbour Inn", "Garden Hostel", "Hotel Linden"],
        per_day: 60.0,
        stay_minutes: 240.0,
        hours: [2, 1, 1, 0, 0, 1, 2, 3, 2, 2, 2, 2, 3, 4, 8, 10, 11, 11, 10, 9, 8, 7, 5, 3],
    },
    Kind {
        names: ["Town Library", "City Museum", "Swimming Hall", "图书馆"],
        per_day: 120.0,
        stay_minutes: 80.0,
        hours: [0, 0, 0, 0, 0, 0, 0, 1, 5, 11, 13, 12, 9, 10, 13, 14, 12, 9, 5, 2, 0, 0, 0, 0],
    },
    Kind {
        names: ["The Lantern", "Blue Room Bar", "Old Town Grill", "Night Kitchen"],
        per_day: 75.0,
        stay_minutes: 100.0,
        hours: [7, 4, 2, 0, 0, 0, 0, 0, 0, 0, 1, 5, 9, 6, 2, 2, 3, 6, 11, 14, 15, 13, 12, 10],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_makes_the_same_fleet_again_and_no_bssid_twice() {
        let fleet = |seed| (0..2000).flat_map(move |n| Venue::new(seed, n).networks).collect::<Vec<_>>();
        assert_eq!(fleet(7), fleet(7));
        assert_ne!(fleet(7), fleet(8));
        let bssids: Vec<_> = fleet(7).iter().flat_map(|n| n.bss.iter().map(|b| b.bssid)).collect();
        assert_eq!(bssids.iter().collect::<BTreeSet<_>>().len(), bssids.len());
    }

    #[test]
    fn what_it_shares_is_what_a_server_takes() {
        for n in 0..500 {
            let networks = Venue::new(1, n).networks;
            assert!((1..=3).contains(&networks.len()));
            for network in networks {
                assert_eq!(network.key.is_some(), network.security.needs_key());
                assert!(network.key.is_none_or(|k| (8..=63).contains(&k.reveal().len())));
                assert!(network.place.is_some() && !network.ssid.asks_to_be_left_out());
                assert!(network.bss.is_sorted_by_key(|b| b.bssid));
            }
        }
    }

    #[test]
    fn the_hours_of_a_day_add_up_and_none_is_above_the_most() {
        for n in 0..40 {
            let venue = Venue::new(3, n);
            let rates = (0..24 * 60).map(|minute| venue.arrivals_per_hour(f64::from(minute) * 60.0));
            let sum: f64 = rates.clone().map(|rate| rate / 60.0).sum();
            assert!((sum / venue.arrivals_per_day() - 1.0).abs() < 0.01, "{sum} {}", venue.arrivals_per_day());
            assert!(rates.fold(0.0, f64::max) <= venue.most_arrivals_per_hour() * 1.0001);
        }
    }
}
