//! How networks stand: what is announced, what of it is proved, and what is under way.

use sqlx::AssertSqlSafe;
use welcome_proto::announce::Security;
use welcome_proto::challenge::Step;
use welcome_proto::{AreaId, Bssid, NetworkId, RouterId, Ssid};

use super::networks::read_security;
use super::registrations::read_bssid;
use super::{Result, Store, StoreError, int, length, read_id, read_u64};
use crate::ids::OrgId;

/// A network and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkRow {
    pub(crate) router: RouterId,
    /// What people call the router; may be empty.
    pub(crate) router_name: String,
    pub(crate) id: NetworkId,
    pub(crate) ssid: Ssid,
    pub(crate) security: Security,
    /// Whether its key is given to applications.
    pub(crate) has_key: bool,
    pub(crate) area: AreaId,
    /// Whether its router has no agent.
    pub(crate) by_hand: bool,
    pub(crate) bss: Vec<BssRow>,
    /// Whether a challenge is open.
    pub(crate) challenged: bool,
}

/// A BSSID and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BssRow {
    pub(crate) bssid: Bssid,
    /// MHz.
    pub(crate) freq: Option<u16>,
    /// Until when it is proved (Unix time), whether or not that is past; `None`: it never was.
    pub(crate) proved_until: Option<u64>,
    /// `witnessed` or `vouched`; empty if it never was.
    pub(crate) how: String,
    pub(crate) conflict: bool,
}

impl BssRow {
    /// Whether it is proved at this moment.
    fn is_proved(&self, now: u64) -> bool {
        self.proved_until.is_some_and(|until| until > now)
    }

    /// Whether clients find it.
    pub(crate) fn is_listed(&self, now: u64) -> bool {
        !self.conflict && self.is_proved(now)
    }
}

impl NetworkRow {
    /// How far the proof is. It is verified as soon as one BSSID is: those are listed.
    pub(crate) fn step(&self, now: u64) -> Step {
        if self.bss.iter().any(|b| b.conflict) {
            Step::Conflict
        } else if self.challenged {
            Step::Challenged
        } else if self.bss.iter().any(|b| b.is_proved(now)) {
            Step::Verified
        } else if self.bss.iter().any(|b| b.proved_until.is_some()) {
            Step::Expired
        } else {
            Step::Announced
        }
    }

    /// When the proof of what is listed ends first.
    pub(crate) fn until(&self, now: u64) -> Option<u64> {
        self.bss.iter().filter(|b| b.is_proved(now)).filter_map(|b| b.proved_until).min()
    }
}

/// Which networks are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkFilter<'a> {
    /// Only this router's.
    pub(crate) router: Option<&'a RouterId>,
    /// The page after this one.
    pub(crate) after: Option<(&'a RouterId, &'a NetworkId)>,
}

impl Store {
    /// Networks of an organisation, in order of router and name.
    pub(crate) async fn networks(
        &self,
        org: &OrgId,
        filter: &NetworkFilter<'_>,
        limit: usize,
        now: u64,
    ) -> Result<Vec<NetworkRow>> {
        type Row = (String, String, String, Vec<u8>, String, i64, String, i64, i64);
        type Bss = (String, String, i64, Option<i64>, Option<i64>, Option<String>, Option<i64>);
        // Apart, so that a router is found by its key.
        let whose = if filter.router.is_some() { "n.router = $3" } else { "$3 = ''" };
        let sql = format!(
            "SELECT n.router, r.name, n.id, n.ssid, n.security, CASE WHEN n.sealed_key IS NULL THEN 0 ELSE 1 END, r.area,
                 (SELECT count(*) FROM challenges c WHERE c.router = n.router AND c.network = n.id
                      AND c.state IN ('open', 'on-air') AND c.until > $2),
                 CASE WHEN r.kind = 'plain' THEN 1 ELSE 0 END
             FROM networks n JOIN routers r ON r.id = n.router
             WHERE r.org = $1 AND {whose} AND (n.router, n.id) > ($4, $5)
             ORDER BY n.router, n.id LIMIT $6"
        );
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(org.as_str())
            .bind(int(now))
            .bind(filter.router.map_or("", RouterId::as_str))
            .bind(filter.after.map_or("", |(router, _)| router.as_str()))
            .bind(filter.after.map_or("", |(_, network)| network.as_str()))
            .bind(length(limit))
            .fetch_all(&self.read)
            .await?;
        let routers: Vec<_> = rows.iter().map(|row| row.0.as_str()).collect();
        let sql = format!(
            "SELECT b.router, b.network, b.bssid, b.freq, g.expires, g.how, g.conflict
             FROM bss b LEFT JOIN registrations g ON g.bssid = b.bssid AND g.org = $2
             WHERE b.router IN ({}) ORDER BY b.bssid",
            self.dialect().texts(1)
        );
        let bss: Vec<Bss> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(super::write_json(&routers, "list of routers")?)
            .bind(org.as_str())
            .fetch_all(&self.read)
            .await?;
        let bss_of = |router: &str, network: &str| -> Result<Vec<BssRow>> {
            bss.iter().filter(|b| b.0 == router && b.1 == network).map(read_bss).collect()
        };
        fn read_bss((_, _, bssid, freq, expires, how, conflict): &Bss) -> Result<BssRow> {
            Ok(BssRow {
                bssid: read_bssid(*bssid)?,
                freq: freq.map(|f| u16::try_from(f).map_err(|_| StoreError::Unreadable("frequency"))).transpose()?,
                proved_until: expires.map(|e| read_u64(e, "time")).transpose()?,
                how: how.clone().unwrap_or_default(),
                conflict: conflict.is_some_and(|c| c != 0),
            })
        }
        rows.iter()
            .map(|(router, router_name, id, ssid, security, has_key, area, challenges, plain)| {
                Ok(NetworkRow {
                    router: read_id(router, "router id")?,
                    router_name: router_name.clone(),
                    id: read_id(id, "network id")?,
                    ssid: Ssid::new(ssid).map_err(|_| StoreError::Unreadable("SSID"))?,
                    security: read_security(security)?,
                    has_key: *has_key != 0,
                    area: read_id(area, "area")?,
                    by_hand: *plain != 0,
                    bss: bss_of(router, id)?,
                    challenged: *challenges > 0,
                })
            })
            .collect()
    }
}
