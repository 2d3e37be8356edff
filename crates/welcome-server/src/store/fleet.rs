//! A fleet in numbers and lists, for whoever looks after it.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use welcome_proto::{Bssid, NetworkId, RouterId, Ssid};

use super::db::Dialect;
use super::registrations::read_bssid;
use super::{Result, Store, StoreError, int, length, read_id, read_u64};
use crate::ids::OrgId;

/// A network as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FleetNetwork {
    pub(crate) router: RouterId,
    /// What people call the router; may be empty.
    pub(crate) router_name: String,
    pub(crate) network: NetworkId,
    pub(crate) ssid: Ssid,
    pub(crate) security: String,
    /// Whether its key is here for applications.
    pub(crate) has_key: bool,
    pub(crate) area: String,
    /// `announced`, `challenged`, `verified`, `conflict` or `expired`.
    pub(crate) state: String,
    pub(crate) bssids: Vec<Bssid>,
    /// Of the proofs of its BSSIDs: when the newest was made, and when the first ends.
    pub(crate) proved: Option<(u64, u64)>,
}

/// Which networks are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct FleetFilter<'a> {
    /// Only those of this router.
    pub(crate) router: Option<&'a RouterId>,
    /// Only those of this id.
    pub(crate) network: Option<&'a NetworkId>,
    /// Part of the SSID, letter by letter, or of the router's or the area's name.
    pub(crate) text: &'a str,
    /// As in [`FleetNetwork`]; empty: any.
    pub(crate) state: &'a str,
    /// The page after this one.
    pub(crate) after: Option<(&'a RouterId, &'a NetworkId)>,
}

/// How a fleet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FleetCounts {
    pub(crate) routers: u64,
    pub(crate) online: u64,
    pub(crate) networks: u64,
    pub(crate) verified: u64,
    pub(crate) conflict: u64,
    pub(crate) expired: u64,
    pub(crate) announced: u64,
    pub(crate) published: u64,
}

/// What happened on one network: router, its name, network, what, how often.
pub(crate) type NetworkCount = (RouterId, String, String, String, u64);

impl Store {
    /// Networks of an organisation, in order of router and id.
    pub(crate) async fn org_networks(
        &self,
        org: &OrgId,
        filter: &FleetFilter<'_>,
        now: u64,
        limit: usize,
    ) -> Result<Vec<FleetNetwork>> {
        type Row = (String, String, String, Vec<u8>, String, i64, String, String, Option<i64>, Option<i64>);
        let holds_text = match self.dialect() {
            Dialect::Sqlite => "instr(x.ssid, $9) > 0",
            Dialect::Postgres => "position($9 in x.ssid) > 0",
        };
        let sql = format!(
            "SELECT x.router, x.router_name, x.id, x.ssid, x.security, x.has_key, x.area, x.state, x.proved, x.ends FROM ({STATES}) x
             WHERE ($3 = '' OR x.router = $3) AND ($4 = '' OR x.id = $4) AND ($5 = '' OR x.state = $5)
                 AND (x.router > $6 OR (x.router = $6 AND x.id > $7))
                 AND ($8 = '%%' OR lower(x.router_name) LIKE $8 ESCAPE '!' OR lower(x.area) LIKE $8 ESCAPE '!' OR {holds_text})
             ORDER BY x.router, x.id LIMIT $10"
        );
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(org.as_str())
            .bind(int(now))
            .bind(filter.router.map_or("", RouterId::as_str))
            .bind(filter.network.map_or("", NetworkId::as_str))
            .bind(filter.state)
            .bind(filter.after.map_or("", |(router, _)| router.as_str()))
            .bind(filter.after.map_or("", |(_, network)| network.as_str()))
            .bind(super::routers::contains(filter.text))
            .bind(filter.text.as_bytes())
            .bind(length(limit))
            .fetch_all(&self.read)
            .await?;
        let routers: Vec<_> = rows.iter().map(|row| row.0.as_str()).collect();
        let mut bssids = self.bssids_of(&routers).await?;
        let mut networks = Vec::with_capacity(rows.len());
        for (router, router_name, network, ssid, security, has_key, area, state, proved, ends) in rows {
            let proved = match proved.zip(ends) {
                Some((at, until)) => Some((read_u64(at, "time")?, read_u64(until, "time")?)),
                None => None,
            };
            networks.push(FleetNetwork {
                router: read_id(&router, "router id")?,
                router_name,
                network: read_id(&network, "network id")?,
                bssids: bssids.remove(&(router, network)).unwrap_or_default(),
                ssid: Ssid::new(&ssid).map_err(|_| StoreError::Unreadable("SSID"))?,
                security,
                has_key: has_key != 0,
                area,
                state,
                proved,
            });
        }
        Ok(networks)
    }

    /// By router and network.
    async fn bssids_of(&self, routers: &[&str]) -> Result<BTreeMap<(String, String), Vec<Bssid>>> {
        let sql = format!(
            "SELECT router, network, bssid FROM bss WHERE router IN ({}) ORDER BY bssid",
            self.dialect().texts(1)
        );
        let rows: Vec<(String, String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(super::write_json(&routers, "list of routers")?)
            .fetch_all(&self.read)
            .await?;
        let mut bssids: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (router, network, bssid) in rows {
            bssids.entry((router, network)).or_default().push(read_bssid(bssid)?);
        }
        Ok(bssids)
    }

    /// How a fleet stands; a router that was seen since `online_since` is online.
    pub(crate) async fn fleet_counts(&self, org: &OrgId, online_since: u64, now: u64) -> Result<FleetCounts> {
        let (routers, online): (i64, i64) = sqlx::query_as(
            "SELECT count(*), CAST(coalesce(sum(CASE WHEN seen >= $2 THEN 1 ELSE 0 END), 0) AS BIGINT)
             FROM routers WHERE org = $1",
        )
        .bind(org.as_str())
        .bind(int(online_since))
        .fetch_one(&self.read)
        .await?;
        let (published,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM offers WHERE org = $1 AND published IS NOT NULL")
                .bind(org.as_str())
                .fetch_one(&self.read)
                .await?;
        let sql = format!("SELECT x.state, count(*) FROM ({STATES}) x GROUP BY x.state");
        let states: Vec<(String, i64)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(org.as_str()).bind(int(now)).fetch_all(&self.read).await?;
        let count = |n: i64| read_u64(n, "count");
        let mut counts = FleetCounts {
            routers: count(routers)?,
            online: count(online)?,
            published: count(published)?,
            ..FleetCounts::default()
        };
        for (state, n) in states {
            let n = count(n)?;
            counts.networks += n;
            match state.as_str() {
                "verified" => counts.verified = n,
                "conflict" => counts.conflict = n,
                "expired" => counts.expired = n,
                "announced" => counts.announced = n,
                _ => {}
            }
        }
        Ok(counts)
    }

    /// What happened on each network of an organisation since an hour (Unix time divided by 3600).
    pub(crate) async fn network_counts(&self, org: &OrgId, from: u64) -> Result<Vec<NetworkCount>> {
        let rows: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT h.router, r.name, h.network, h.what, CAST(sum(h.count) AS BIGINT)
             FROM report_hours h JOIN routers r ON r.id = h.router WHERE h.org = $1 AND h.hour >= $2
             GROUP BY h.router, r.name, h.network, h.what ORDER BY h.router, h.network, h.what",
        )
        .bind(org.as_str())
        .bind(int(from))
        .fetch_all(&self.read)
        .await?;
        let read = |(router, name, network, what, count): (String, String, String, String, i64)| {
            Ok((read_id(&router, "router id")?, name, network, what, read_u64(count, "count")?))
        };
        rows.into_iter().map(read).collect()
    }

    /// How often each offer of the server was shown by the routers of an organisation: sender, offer, how often.
    pub(crate) async fn offers_shown(&self, org: &OrgId) -> Result<Vec<(String, String, u64)>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT p.sender, p.offer, CAST(sum(p.count) AS BIGINT) FROM report_totals p JOIN routers r ON r.id = p.router
             WHERE r.org = $1 AND p.what = 'shown' GROUP BY p.sender, p.offer ORDER BY 3 DESC, 1, 2",
        )
        .bind(org.as_str())
        .fetch_all(&self.read)
        .await?;
        rows.into_iter().map(|(sender, offer, count)| Ok((sender, offer, read_u64(count, "count")?))).collect()
    }
}

/// Each network of the organisation `$1` with how it stands at `$2`: as [`super::NetworkRow::step`] says it, so that the
/// database can filter and count.
const STATES: &str =
    "SELECT n.router AS router, r.name AS router_name, n.id AS id, n.ssid AS ssid, n.security AS security,
     CASE WHEN n.sealed_key IS NULL THEN 0 ELSE 1 END AS has_key, a.name AS area,
     CASE WHEN EXISTS (SELECT 1 FROM bss b JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org
              WHERE b.router = n.router AND b.network = n.id AND g.conflict = 1) THEN 'conflict'
          WHEN EXISTS (SELECT 1 FROM challenges c WHERE c.router = n.router AND c.network = n.id AND c.until > $2
              AND c.state IN ('open', 'on-air')) THEN 'challenged'
          WHEN EXISTS (SELECT 1 FROM bss b JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org
              WHERE b.router = n.router AND b.network = n.id AND g.expires > $2) THEN 'verified'
          WHEN EXISTS (SELECT 1 FROM bss b JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org
              WHERE b.router = n.router AND b.network = n.id) THEN 'expired'
          ELSE 'announced' END AS state,
     (SELECT max(g.registered) FROM bss b JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org
          WHERE b.router = n.router AND b.network = n.id) AS proved,
     (SELECT min(g.expires) FROM bss b JOIN registrations g ON g.bssid = b.bssid AND g.org = r.org
          WHERE b.router = n.router AND b.network = n.id) AS ends
     FROM networks n JOIN routers r ON r.id = n.router JOIN areas a ON a.id = r.area WHERE r.org = $1";
