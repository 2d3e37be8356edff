//! From a position to H3 cells. Pure.
//!
//! A network is kept under two cells of its place: one of resolution 9 (about 200 m from centre to corner) for look-ups
//! by position, one of resolution 5 (about 10 km) for lists of a region.

use h3o::{CellIndex, LatLng, Resolution};
use welcome_proto::announce::Place;
use welcome_proto::snapshot::{self, RESOLUTION};

/// An H3 cell as a number; the database keeps it so (its highest bit is always 0).
pub(crate) type Cell = i64;

/// The cell for look-ups by position.
pub(crate) fn fine(place: Place) -> Cell {
    number(index(place, Resolution::Nine))
}

/// The cell for lists. Taken from the position and not from the fine cell, which may lie across its border: a client
/// that computes the cell of where it stands must come to the same.
pub(crate) fn region(place: Place) -> Cell {
    number(index(place, Resolution::Five))
}

/// The fine cells within about 1 km of a position.
pub(crate) fn around(place: Place) -> Vec<Cell> {
    index(place, Resolution::Nine).grid_disk::<Vec<_>>(DISK).into_iter().map(number).collect()
}

/// Reads a cell of resolution 5 in H3's text form, e.g. `851f8d47fffffff`.
pub(crate) fn parse_region(text: &str) -> Option<Cell> {
    let cell: CellIndex = text.parse().ok()?;
    (u8::from(cell.resolution()) == RESOLUTION).then(|| number(cell))
}

/// A region's text form; `None` if the number is no cell.
pub(crate) fn name(cell: Cell) -> Option<snapshot::Cell> {
    let cell = CellIndex::try_from(u64::try_from(cell).ok()?).ok()?;
    cell.to_string().parse().ok()
}

/// Rings of cells of resolution 9 around the middle one; their centres are 350 m apart.
const DISK: u32 = 3;

fn index(place: Place, resolution: Resolution) -> CellIndex {
    LatLng::new(place.lat, place.lon).expect("a `Place` holds finite numbers").to_cell(resolution)
}

fn number(cell: CellIndex) -> Cell {
    i64::try_from(u64::from(cell)).expect("the highest bit of an H3 cell is 0")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).unwrap()
    }

    #[test]
    fn what_is_near_is_around_and_what_is_far_is_not() {
        let here = around(place(48.1374, 11.5755));
        assert!(here.contains(&fine(place(48.1374, 11.5755))));
        assert!(here.contains(&fine(place(48.1434, 11.5755))), "670 m north");
        assert!(!here.contains(&fine(place(48.1574, 11.5755))), "2.2 km north");
    }

    #[test]
    fn only_cells_of_resolution_5_are_regions() {
        let cell = index(place(48.1374, 11.5755), Resolution::Five);
        assert_eq!(parse_region(&cell.to_string()), Some(region(place(48.1374, 11.5755))));
        assert_eq!(parse_region(name(region(place(48.1374, 11.5755))).unwrap().as_str()), Some(number(cell)));
        assert_eq!(parse_region(&index(place(48.0, 11.0), Resolution::Six).to_string()), None);
    }

    proptest! {
        #[test]
        fn every_place_on_earth_has_its_cells(lat in -90.0..=90.0, lon in -180.0..=180.0) {
            let here = place(lat, lon);
            prop_assert!(around(here).contains(&fine(here)));
            prop_assert_eq!(name(region(here)).and_then(|name| parse_region(name.as_str())), Some(region(here)));
        }

        #[test]
        fn any_text_is_refused_or_a_cell(text in ".{0,40}|[0-9a-f]{15}") {
            prop_assert!(parse_region(&text).is_none_or(|cell| cell > 0));
        }
    }
}
