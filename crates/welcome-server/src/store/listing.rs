//! What third-party clients find: BSSIDs that are announced, proved, and in no conflict.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{Bssid, NetworkId, RouterId, Ssid};

use super::db::Dialect;
use super::networks::{open_key, read_security};
use super::registrations::read_bssid;
use super::{Cursor, Result, Store, StoreError, bssid_number, int, read_id};
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
        type Row = (i64, String, String, Vec<u8>, String, Option<Vec<u8>>, String, i64, String, Vec<u8>);
        let (sql, argument) = query(self.dialect(), which, limit);
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(after.map_or(-1, |c| bssid_number(c.bssid)))
            .bind(after.map_or("", |c| c.router.as_str()))
            .bind(after.map_or("", |c| c.network.as_str()))
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
            .map(|(bssid, router, network, ssid, security, sealed, area, needed, how, signer)| {
                let bssid = read_bssid(bssid)?;
                let entry = ListEntry {
                    bssid,
                    ssid: Ssid::new(&ssid).map_err(|_| StoreError::Unreadable("SSID"))?,
                    security: read_security(&security)?,
                    key: sealed.map(|sealed| open_key(seal, &router, &network, &sealed)).transpose()?,
                    area: read_id(&area, "area")?,
                    needed: u32::try_from(needed).map_err(|_| StoreError::Unreadable("number"))?,
                    assurance: if how == "vouched" { Assurance::Vouched } else { Assurance::Witnessed },
                    signer: Some(URL_SAFE_NO_PAD.encode(signer)),
                };
                let cursor =
                    Cursor { bssid, router: read_id(&router, "router id")?, network: read_id(&network, "network id")? };
                Ok((cursor, entry))
            })
            .collect()
    }
}

/// Where somebody has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedAt {
    pub(crate) org: OrgId,
    pub(crate) router: RouterId,
    pub(crate) network: NetworkId,
}

impl Store {
    /// The listed network of a BSSID: the first one, if an organisation announces it on several routers.
    pub(crate) async fn listed_at(&self, bssid: Bssid, now: u64) -> Result<Option<ListedAt>> {
        let row: Option<(String, String, String)> = sqlx::query_as(
            "SELECT r.org, b.router, b.network FROM bss b JOIN routers r ON r.id = b.router
             JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org AND g.conflict = 0 AND g.expires > $2
             WHERE b.bssid = $1 ORDER BY b.router, b.network LIMIT 1",
        )
        .bind(bssid_number(bssid))
        .bind(int(now))
        .fetch_optional(&self.read)
        .await?;
        let read = |(org, router, network): (String, String, String)| {
            Ok(ListedAt {
                org: read_id(&org, "organisation")?,
                router: read_id(&router, "router id")?,
                network: read_id(&network, "network id")?,
            })
        };
        row.map(read).transpose()
    }

    /// The region after this one in which something is announced. One step in an index, however much there is.
    pub(crate) async fn next_region(&self, after: i64) -> Result<Option<i64>> {
        let (next,): (Option<i64>,) = sqlx::query_as("SELECT min(cell5) FROM networks WHERE cell5 > $1")
            .bind(after)
            .fetch_one(&self.read)
            .await?;
        Ok(next)
    }
}

/// The query, and its fourth parameter.
///
/// Every table is reached by an index from the BSSIDs, cells or the place in the list, and however many rows there are, as
/// many are looked at as are asked for or lie in the cells. That takes some care with PostgreSQL: it believes that few BSSIDs
/// have a registration of just the organisation that announces them, and would rather read all of both than follow one; so
/// these stand as queries of their own, for each row. And of a limit that is a parameter it knows nothing.
fn query(dialect: Dialect, which: &Which, limit: usize) -> (String, String) {
    let (condition, argument) = match which {
        Which::All => ("$4 = ''".to_owned(), String::new()),
        Which::Region(cell) => ("n.cell5 = CAST($4 AS BIGINT)".to_owned(), cell.to_string()),
        Which::Cells(cells) => (dialect.is_one_of("n.cell9", 4), dialect.numbers(cells)),
        Which::Bssids(bssids) => {
            let bssids: Vec<_> = bssids.iter().copied().map(bssid_number).collect();
            (dialect.is_one_of("b.bssid", 4), dialect.numbers(&bssids))
        }
    };
    let sql = format!(
        "SELECT bssid, router, network, ssid, security, sealed_key, area, needed, how, signer FROM (
             SELECT b.bssid, b.router, b.network, n.ssid, n.security, r.area,
                 CASE WHEN $5 = r.org
                     OR ($5 = '*' AND (SELECT o.keys_to_all FROM orgs o WHERE o.id = r.org) = 1) THEN n.sealed_key
                 END AS sealed_key,
                 (SELECT a.needed FROM areas a WHERE a.id = r.area) AS needed,
                 (SELECT g.how FROM registrations g
                  WHERE g.bssid = b.bssid AND g.org = r.org AND g.conflict = 0 AND g.expires > $6) AS how,
                 (SELECT o.public_key FROM orgs o WHERE o.id = r.org) AS signer
             FROM bss b
             JOIN networks n ON n.router = b.router AND n.id = b.network
             JOIN routers r ON r.id = b.router
             WHERE (b.bssid, b.router, b.network) > ($1, $2, $3) AND {condition}
         ) listed
         WHERE how IS NOT NULL ORDER BY bssid, router, network LIMIT {limit}"
    );
    (sql, argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_read_through() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let bssids = vec!["02:00:00:00:00:01".parse().unwrap(); 100];
        for which in [Which::All, Which::Region(1), Which::Cells(vec![1; 37]), Which::Bssids(bssids)] {
            let (sql, argument) = query(Dialect::Sqlite, &which, 1001);
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                    .bind(-1)
                    .bind("")
                    .bind("")
                    .bind(argument)
                    .bind("")
                    .bind(0)
                    .fetch_all(&store.read)
                    .await
                    .unwrap();
            let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
            assert!(steps.len() > 5, "{steps:?}");
            let scans: Vec<_> = steps.iter().filter(|s| s.starts_with("SCAN") && !s.contains("json_each")).collect();
            assert!(scans.is_empty(), "{which:?}: {scans:?}");
        }
    }
}
