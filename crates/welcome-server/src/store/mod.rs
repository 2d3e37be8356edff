//! What the server remembers: organisations and people, routers, networks and who proved them, offers, reports.
//!
//! Checked values come in and go out; SQL stands nowhere else. Every function that changes something is one
//! transaction, committed when it returns. Never logs a key, a token or an address.

mod api_tokens;
mod areas;
mod audit;
mod challenges;
mod content;
mod db;
mod enrolment;
mod fleet;
mod invitations;
mod left_out;
mod listing;
mod live;
mod look;
mod migrate;
mod networks;
mod offer_changes;
mod offers;
mod orgs;
mod people;
mod plain;
mod registrations;
mod reports;
mod retention;
mod routers;
mod sealed;
mod sessions;
mod standing;

pub(crate) use self::api_tokens::ApiToken;
pub(crate) use self::audit::AuditEntry;
pub(crate) use self::challenges::{ChallengeRow, ChallengeStart, Finding, NewChallenge, Witness};
pub(crate) use self::db::{DATABASE, Store};
pub(crate) use self::enrolment::{Enrolled, NewToken};
pub(crate) use self::fleet::{FleetFilter, FleetNetwork, NetworkCount};
pub(crate) use self::invitations::{Invitation, Taken};
pub(crate) use self::left_out::LeftOut;
pub(crate) use self::listing::{KeysFor, ListedAt, Which};
pub(crate) use self::look::{Looked, look};
pub(crate) use self::networks::Announced;
pub(crate) use self::offer_changes::OfferChange;
pub(crate) use self::offers::{OfferRow, OfferSet, OfferVersion, OrgOffer, Targets};
pub(crate) use self::orgs::{KeptKey, Org};
pub(crate) use self::people::{MemberChange, NewPerson, Person};
pub(crate) use self::reports::Total;
pub(crate) use self::retention::OLD;
pub(crate) use self::routers::{RouterFilter, RouterRow};
pub(crate) use self::sealed::{Kind, SealedRow};
pub(crate) use self::sessions::{Session, Subject};
pub(crate) use self::standing::{NetworkFilter, NetworkRow};

use std::fmt;
use std::str::FromStr;

use welcome_proto::offer::Sender;
use welcome_proto::{Bssid, IdError, Mac, NetworkId, RouterId};

/// Who changes something, and when; for the audit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    /// E.g. `owner@example.org`, `token ci`, `command line`.
    pub(crate) who: &'a str,
    /// Seconds of Unix time.
    pub(crate) at: u64,
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
    /// Something sealed does not open.
    #[error(transparent)]
    Sealed(#[from] crate::seal::DoesNotOpen),
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The rows of a `VALUES`: each is `shared` parameters, which are the first ones and the same in all of them, and `own`
/// parameters of its own after those. Many rows in one statement, as each costs a way to the database and back.
fn many(rows: usize, shared: usize, own: usize) -> String {
    let row = |row: usize| {
        let first = 1 + shared + row * own;
        let numbers = (1..=shared).chain(first..first + own).map(|n| format!("${n}"));
        format!("({})", numbers.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// The database's integers are signed; a number beyond them becomes the largest.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn length(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_u64(number: i64, what: &'static str) -> Result<u64> {
    u64::try_from(number).map_err(|_| StoreError::Unreadable(what))
}

fn read_id<T: FromStr>(text: &str, what: &'static str) -> Result<T> {
    text.parse().map_err(|_| StoreError::Unreadable(what))
}

fn read_sender(name: &str) -> Result<Sender> {
    let senders = [Sender::Device, Sender::Sharer, Sender::Server];
    senders.into_iter().find(|s| s.as_str() == name).ok_or(StoreError::Unreadable("sender"))
}

fn read_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable(what))
}

fn write_json<T: serde::Serialize>(value: &T, what: &'static str) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable(what))
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
    fn many_rows_have_what_they_share_and_what_is_their_own() {
        assert_eq!(many(2, 1, 2), "($1, $2, $3), ($1, $4, $5)");
        assert_eq!(many(1, 0, 1), "($1)");
    }

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
