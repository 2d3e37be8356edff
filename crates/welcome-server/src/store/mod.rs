//! What the server remembers: routers, tokens, networks, offers, reports.
//!
//! Checked values come in and go out; SQL stands nowhere else. Every function that changes something is one
//! transaction, committed when it returns. Never logs a key, a token or an address.

mod sqlite;

pub(crate) use sqlite::{DATABASE, Store};

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::{Bssid, IdError, Mac, NetworkId, RouterId, Ssid};

/// Says of what version a PostgreSQL database is, and how far from us.
pub(crate) async fn look_at_postgres(_url: &welcome_proto::Secret) -> anyhow::Result<String> {
    anyhow::bail!("PostgreSQL is not in this build")
}

/// What became of an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// It is the list from now on.
    Taken,
    /// The server has a list of this generation, which is not older.
    Stale(u64),
    /// There is no such router.
    UnknownRouter,
}

/// All offers of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferSet {
    /// Grows with each change.
    pub(crate) revision: u64,
    pub(crate) offers: Vec<OfferRow>,
}

/// An offer, and who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferRow {
    pub(crate) sender: Sender,
    pub(crate) offer: Offer,
}

/// What a router shall show on one network that it announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkOffers {
    pub(crate) ssid: Ssid,
    pub(crate) offers: Vec<OfferRow>,
}

/// What became of a change of a router's offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OfferChange {
    /// The set is another from now on.
    Changed,
    /// It is as it was.
    Same,
    /// There is no such router, or nothing to delete.
    NotFound,
    /// The sender would have more than a router takes.
    TooMany,
    /// It names a file that is not here, or is another; the text says which.
    NoFile(String),
}

/// A router as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RouterRow {
    pub(crate) router: RouterId,
    pub(crate) vouched: bool,
    pub(crate) version: String,
    /// Seconds of Unix time.
    pub(crate) enrolled: u64,
    /// Of its last announce.
    pub(crate) generation: Option<u64>,
    /// How many it announces.
    pub(crate) networks: u32,
    /// How many it has from this server.
    pub(crate) offers: u32,
}

/// How often one thing happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    pub(crate) network: String,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) sender: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) offer: String,
    pub(crate) count: u64,
}

/// Which of the listed networks are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    All,
    /// In this region, by [`crate::place::region`].
    Region(i64),
    /// In one of these cells, by [`crate::place::fine`].
    Cells(Vec<i64>),
    /// On one of these BSSIDs.
    Bssids(Vec<Bssid>),
}

/// Where a page of a listing ends: its last entry. The next page starts after it, whatever was announced meanwhile.
///
/// Its text form is `BSSID.ROUTER.NETWORK`, the BSSID as twelve hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) bssid: Bssid,
    pub(crate) router: RouterId,
    pub(crate) network: NetworkId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", crate::token::hex(&self.bssid.mac().0), self.router, self.network)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.split('.');
        let (Some(bssid), Some(router), Some(network), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadCursor);
        };
        if bssid.len() != 12 || !bssid.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadCursor);
        }
        let bssid = u64::from_str_radix(bssid, 16).map_err(|_| BadCursor)?;
        Ok(Self { bssid: bssid_from_number(bssid)?, router: router.parse()?, network: network.parse()? })
    }
}

/// Not a cursor that this server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server")]
pub(crate) struct BadCursor;

impl From<IdError> for BadCursor {
    fn from(_: IdError) -> Self {
        Self
    }
}

/// The store failed. Nothing of the change that failed was kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database refused or could not.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row does not read as what was written.
    #[error("the database holds a {0} that cannot be read")]
    Unreadable(&'static str),
}

/// The 48 bits of a BSSID as a number.
fn bssid_number(bssid: Bssid) -> i64 {
    bssid.mac().0.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

fn bssid_from_number(number: u64) -> Result<Bssid, IdError> {
    let [_, _, mac @ ..] = number.to_be_bytes();
    Mac(mac).try_into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_of_another_form_is_refused() {
        let good = "020000000100.r-1.cafe";
        assert_eq!(good.parse::<Cursor>().unwrap().to_string(), good);
        for bad in [
            "",
            "020000000100",
            "020000000100.r-1",
            "020000000100.r-1.cafe.x",
            "+20000000100.r-1.cafe",
            "ffffffffffff.r-1.cafe",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(low in 1u64..=0xff_ffff_ffff, router in "[a-z0-9-]{1,64}", network in "[a-z0-9_]{1,64}") {
            let bssid = bssid_from_number(low).unwrap();
            prop_assert_eq!(u64::try_from(bssid_number(bssid)).unwrap(), low);
            let cursor = Cursor { bssid, router: router.parse().unwrap(), network: network.parse().unwrap() };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn any_text_is_refused_or_a_cursor(text in ".{0,200}|[0-9a-f]{12}\\.[a-z.-]{1,9}\\.[a-z-]{1,9}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            }
        }
    }
}
