//! Where we are, and which regions are around it.
//!
//! In: a position that a person, a command or the system's location service gives. Out: a [`Place`], and the cells of the
//! snapshots that are worth having there. It is told to the directory as such cells alone, unless that has no snapshots.

use crate::geoclue;
use crate::run::Run;
use anyhow::{Context as _, bail};
use h3o::{LatLng, Resolution};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use welcome_proto::announce::{Place, PlaceError};
use welcome_proto::snapshot::Cell;

/// What `--place` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Position {
    /// Here.
    At(Place),
    /// Where GeoClue says.
    Geoclue,
}

impl FromStr for Position {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text == "geoclue" { Ok(Self::Geoclue) } else { text.parse().map(Self::At) }
    }
}

impl Run<'_> {
    /// Where we are, if anybody is to say so.
    pub(crate) async fn place(&self) -> anyhow::Result<Option<Place>> {
        let place = match (&self.common.place, &self.common.place_command) {
            (Some(Position::At(place)), _) => *place,
            (Some(Position::Geoclue), _) => {
                self.output.doing("asking this system where it is");
                geoclue::locate().await.context("failed to learn the place from GeoClue")?
            }
            (None, Some(command)) => {
                by_command(command).await.context("failed to learn the place from --place-command")?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(place))
    }
}

/// The region of a place, and those around it: whoever walks over a border has the list already.
#[must_use]
pub fn regions_around(place: Place) -> BTreeSet<Cell> {
    let here = LatLng::new(place.lat, place.lon).expect("a `Place` holds finite numbers").to_cell(Resolution::Five);
    let around: Vec<_> = here.grid_disk(1);
    around.into_iter().filter_map(|cell| cell.to_string().parse().ok()).collect()
}

async fn by_command(command: &str) -> anyhow::Result<Place> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("it does not start")?;
    let stdout = child.stdout.take().context("it has no output")?;
    let work = async {
        let mut text = String::new();
        stdout.take(MAX_OUTPUT).read_to_string(&mut text).await.context("its output cannot be read")?;
        Ok::<_, anyhow::Error>((text, child.wait().await.context("it cannot be waited for")?))
    };
    let Ok(ended) = timeout(WITHIN, work).await else { bail!("it takes longer than {} s", WITHIN.as_secs()) };
    let (text, status) = ended?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    text.trim().parse().context("its output is no place")
}

/// How long a command may take; also a location service.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// Two numbers, with room.
const MAX_OUTPUT: u64 = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_numbers_or_whom_to_ask() {
        assert_eq!("geoclue".parse(), Ok(Position::Geoclue));
        assert_eq!("48.1, 11.5".parse(), Ok(Position::At(Place::new(48.1, 11.5).unwrap())));
        assert!("GeoClue2".parse::<Position>().is_err());
    }

    #[test]
    fn the_region_of_a_place_is_among_those_around_it() {
        let around = regions_around(Place::new(48.1374, 11.5755).unwrap());
        assert_eq!(around.len(), 7);
        assert!(around.contains(&"851f8d47fffffff".parse().unwrap()), "{around:?}");
    }

    #[tokio::test]
    async fn what_a_command_prints_is_taken_if_it_is_a_place_and_the_command_ends_well() {
        assert_eq!(by_command("echo ' 48.1,-11.5 '").await.unwrap(), Place::new(48.1, -11.5).unwrap());
        for (command, why) in [
            ("echo here", "no place"),
            ("echo 91,0", "no place"),
            ("echo 48.1,11.5; exit 3", "exit status: 3"),
            ("yes 1,1", "it ended with"),
            ("printf '\\377'", "cannot be read"),
        ] {
            let error = format!("{:#}", by_command(command).await.unwrap_err());
            assert!(error.contains(why), "{command}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_place_on_earth_has_regions_around_it(lat in -90.0..=90.0, lon in -180.0..=180.0) {
            let around = regions_around(Place::new(lat, lon).unwrap());
            prop_assert!((6..=7).contains(&around.len()), "a region has six neighbours, or five at one of twelve points");
        }

        #[test]
        fn any_text_is_refused_or_a_position(text: String) {
            let _position = text.parse::<Position>();
        }
    }
}
