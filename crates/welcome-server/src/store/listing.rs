//! What third-party clients find: BSSIDs that are announced, proved, and in no conflict.

use welcome_proto::Bssid;
use welcome_proto::Ssid;
use welcome_proto::lookup::{Assurance, ListEntry};

use super::networks::{open_key, read_security};
use super::registrations::read_bssid;
use super::{Cursor, Result, Store, StoreError, bssid_number, int, length, read_id};
use crate::ids::OrgId;
use crate::seal::Seal;

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

/// Whose networks come with their keys, where their sharers allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysFor {
    /// Nobody's.
    Nobody,
    /// This organisation's.
    Org(OrgId),
    /// Every organisation's that gives them to applications of the whole server.
    Server,
}

impl Store {
    /// The listed networks after `after`, at most `limit` of them, in order of BSSID, each with its place in the list.
    pub(crate) async fn list(
        &self,
        seal: &Seal,
        which: &Which,
        keys: &KeysFor,
        after: Option<&Cursor>,
        limit: usize,
        now: u64,
    ) -> Result<Vec<(Cursor, ListEntry)>> {
        type Row = (i64, String, String, Vec<u8>, String, Option<Vec<u8>>, String, i64, String);
        let numbers = self.dialect().numbers(5);
        let (condition, argument) = match which {
            Which::All => ("$5 = ''".to_owned(), String::new()),
            Which::Region(cell) => ("n.cell5 = CAST($5 AS BIGINT)".to_owned(), cell.to_string()),
            Which::Cells(cells) => (format!("n.cell9 IN ({numbers})"), json_numbers(cells)),
            Which::Bssids(bssids) => {
                let bssids: Vec<_> = bssids.iter().copied().map(bssid_number).collect();
                (format!("b.bssid IN ({numbers})"), json_numbers(&bssids))
            }
        };
        let sql = format!(
            "SELECT b.bssid, b.router, b.network, n.ssid, n.security,
                 CASE WHEN $6 = r.org OR ($6 = '*' AND o.keys_to_all = 1) THEN n.sealed_key END, r.area, a.needed, g.how
             FROM bss b
             JOIN networks n ON n.router = b.router AND n.id = b.network
             JOIN routers r ON r.id = b.router
             JOIN areas a ON a.id = r.area
             JOIN orgs o ON o.id = r.org
             JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org AND g.conflict = 0 AND g.expires > $7
             WHERE (b.bssid, b.router, b.network) > ($1, $2, $3) AND {condition}
             ORDER BY b.bssid, b.router, b.network LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(after.map_or(-1, |c| bssid_number(c.bssid)))
            .bind(after.map_or("", |c| c.router.as_str()))
            .bind(after.map_or("", |c| c.network.as_str()))
            .bind(length(limit))
            .bind(argument)
            .bind(match keys {
                KeysFor::Nobody => "",
                KeysFor::Org(org) => org.as_str(),
                KeysFor::Server => "*",
            })
            .bind(int(now))
            .fetch_all(&self.read)
            .await?;
        rows.into_iter()
            .map(|(bssid, router, network, ssid, security, sealed, area, needed, how)| {
                let bssid = read_bssid(bssid)?;
                let entry = ListEntry {
                    bssid,
                    ssid: Ssid::new(&ssid).map_err(|_| StoreError::Unreadable("SSID"))?,
                    security: read_security(&security)?,
                    key: sealed.map(|sealed| open_key(seal, &router, &network, &sealed)).transpose()?,
                    area: read_id(&area, "area")?,
                    needed: u32::try_from(needed).map_err(|_| StoreError::Unreadable("number"))?,
                    assurance: if how == "vouched" { Assurance::Vouched } else { Assurance::Witnessed },
                };
                let cursor =
                    Cursor { bssid, router: read_id(&router, "router id")?, network: read_id(&network, "network id")? };
                Ok((cursor, entry))
            })
            .collect()
    }
}

impl Store {
    /// The region after this one in which something is announced. One step in an index, however much there is.
    pub(crate) async fn next_region(&self, after: i64) -> Result<Option<i64>> {
        let (next,): (Option<i64>,) = sqlx::query_as("SELECT min(cell5) FROM networks WHERE cell5 > $1")
            .bind(after)
            .fetch_one(&self.read)
            .await?;
        Ok(next)
    }
}

fn json_numbers(numbers: &[i64]) -> String {
    let texts: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}
