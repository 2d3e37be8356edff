//! Router to server: the networks I share, and the radios they are on.
//!
//! An announce is always the whole list, so that a lost one is mended by the next.

use serde::{Deserialize, Serialize};

use crate::{Bssid, Mark, NetworkId, Secret, Ssid};

/// The most networks one router may announce.
pub const MAX_NETWORKS: usize = 64;
/// The most BSS one network may have.
pub const MAX_BSS: usize = 64;

/// Everything a router shares: `PUT /v1/routers/{router}/announce`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Announce {
    /// Grows with every change; the server refuses one that is not above what it has (409 `stale-generation`).
    pub generation: u64,
    /// At most [`MAX_NETWORKS`]; an empty list withdraws everything.
    pub networks: Vec<AnnouncedNetwork>,
    /// What is shared, too, and in no directory, since its name asks for it; at most [`MAX_NETWORKS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A network that is in no directory. Neither its name nor its radios are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The router's own name for it.
    pub id: NetworkId,
    /// What asks for it.
    pub mark: Mark,
}

/// One shared network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnouncedNetwork {
    /// The router's own name for it.
    pub id: NetworkId,
    /// Its name on the air.
    pub ssid: Ssid,
    /// How stations prove that they may join.
    pub security: Security,
    /// The shared key, only where the sharer lets the directory hand it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Where it is, if the sharer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The radios it is on, at most [`MAX_BSS`], in ascending order of BSSID.
    pub bss: Vec<AnnouncedBss>,
}

/// One BSS of a shared network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncedBss {
    /// Its address on the air.
    pub bssid: Bssid,
    /// Centre frequency of its primary channel in MHz, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freq: Option<u16>,
}

/// How a station joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// No protection on the air.
    Open,
    /// Opportunistic encryption without a key (RFC 8110).
    Owe,
    /// WPA2 with a passphrase.
    Psk,
    /// WPA2 and WPA3 with the same passphrase.
    PskSae,
    /// WPA3 with a passphrase.
    Sae,
}

impl Security {
    /// Whether a station needs a key.
    #[must_use]
    pub fn needs_key(self) -> bool {
        !matches!(self, Self::Open | Self::Owe)
    }
}

/// A position (WGS 84).
///
/// ```
/// use welcome_proto::announce::Place;
/// let place: Place = "48.1374,11.5755".parse().unwrap();
/// assert_eq!((place.lat, place.lon), (48.1374, 11.5755));
/// assert!("91,0".parse::<Place>().is_err());
/// assert!("NaN,0".parse::<Place>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawPlace")]
pub struct Place {
    /// Latitude in degrees, -90 to 90.
    pub lat: f64,
    /// Longitude in degrees, -180 to 180.
    pub lon: f64,
}

impl Place {
    /// Checks the ranges.
    ///
    /// # Errors
    /// If a number is out of its range or not a number.
    pub fn new(lat: f64, lon: f64) -> Result<Self, PlaceError> {
        if (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon) {
            Ok(Self { lat, lon })
        } else {
            Err(PlaceError)
        }
    }
}

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (lat, lon) = text.split_once(',').ok_or(PlaceError)?;
        Self::new(degrees(lat.trim()).ok_or(PlaceError)?, degrees(lon.trim()).ok_or(PlaceError)?)
    }
}

/// `-48.1374`: a sign, digits, and at most nine digits behind a point. The number that is nearest, as both the digits and
/// the power of ten are exact and so is their division; std's reader of any number costs a router 14 kB.
fn degrees(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let is_number = are_digits(whole) && are_digits(fraction) && whole.len() + fraction.len() > 0;
    if !is_number || text.len() - digits.len() > 1 || whole.len() > 3 || fraction.len() > 9 {
        return None;
    }
    let digit = |n: u64, b: u8| 10 * n + u64::from(b - b'0');
    let all = whole.bytes().chain(fraction.bytes()).fold(0, digit);
    let scale = fraction.bytes().fold(1, |scale: u64, _| 10 * scale);
    #[expect(clippy::cast_precision_loss, reason = "at most twelve digits")]
    let size = all as f64 / scale as f64;
    Some(if text.starts_with('-') { -size } else { size })
}

/// Not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position: expected LATITUDE,LONGITUDE in degrees, e.g. 48.1374,11.5755")]
pub struct PlaceError;

#[derive(Deserialize)]
struct RawPlace {
    lat: f64,
    lon: f64,
}

impl TryFrom<RawPlace> for Place {
    type Error = PlaceError;

    fn try_from(raw: RawPlace) -> Result<Self, PlaceError> {
        Self::new(raw.lat, raw.lon)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn degrees_are_read_as_std_reads_them(text in "[+-]?[0-9]{0,3}(\\.[0-9]{0,9})?") {
            prop_assert_eq!(degrees(&text), text.parse().ok());
        }

        #[test]
        fn nothing_else_is_read(text in "[-+0-9.,eEinfaN ]{0,16}") {
            if let Some(read) = degrees(&text) {
                prop_assert_eq!(Ok(read), text.parse());
            }
        }
    }
}
