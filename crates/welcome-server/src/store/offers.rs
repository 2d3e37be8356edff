//! What routers shall show: offers with their versions, and for which routers each is.
//!
//! An offer is written (a new version each time), published (routers with one of its targets have that version from then
//! on), and archived. Each change of a router's set gives the router another revision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::{NetworkId, OfferId, RouterId, Ssid};

use super::{Result, Store, StoreError, int, read_id, read_json, read_sender, read_u64, write_json};
use crate::ids::OrgId;

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

impl OfferRow {
    /// By the dates alone: which hour it is at the place of the router is not known here.
    pub(crate) fn is_in_force(&self, now: u64) -> bool {
        let when = &self.offer.when;
        when.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    /// Whether it will not be in force again, by the same.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.offer.when.until.is_some_and(|until| until <= now)
    }
}

/// What a router shall show on one network that it announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkOffers {
    pub(crate) ssid: Ssid,
    pub(crate) offers: Vec<OfferRow>,
}

/// For which routers of an organisation an offer is: those that one of these names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Targets {
    /// Every one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) all: bool,
    /// With one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) routers: Vec<RouterId>,
}

/// An offer as its organisation sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrgOffer {
    pub(crate) sender: Sender,
    /// The newest version.
    pub(crate) offer: Offer,
    pub(crate) targets: Targets,
    pub(crate) version: u64,
    /// The version that routers have.
    pub(crate) published: Option<u64>,
    pub(crate) archived: bool,
    /// Seconds of Unix time.
    pub(crate) changed: u64,
}

/// A version of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferVersion {
    pub(crate) version: u64,
    pub(crate) offer: Offer,
    pub(crate) targets: Targets,
    pub(crate) author: String,
    /// Seconds of Unix time.
    pub(crate) at: u64,
}

impl Store {
    /// The whole set of a router's offers; `None` if there is no such router.
    pub(crate) async fn offers(&self, router: &RouterId) -> Result<Option<OfferSet>> {
        // One statement, so that set and revision belong together.
        let sql = format!(
            "SELECT DISTINCT r.offers_revision, o.sender, o.id, v.body FROM routers r
             LEFT JOIN offer_targets t ON t.org = r.org AND {MATCHES} {PUBLISHED}
             WHERE r.id = $1 ORDER BY o.sender, o.id"
        );
        type Row = (i64, Option<String>, Option<String>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql)).bind(router.as_str()).fetch_all(&self.read).await?;
        let Some((revision, ..)) = rows.first() else { return Ok(None) };
        let revision = read_u64(*revision, "revision")?;
        let rows = rows.into_iter().filter_map(|(_, sender, _, body)| sender.zip(body));
        Ok(Some(OfferSet { revision, offers: rows.map(read_row).collect::<Result<_>>()? }))
    }

    /// The offers of a router for one of its networks; `None` if the router does not announce it.
    pub(crate) async fn network_offers(&self, router: &RouterId, network: &NetworkId) -> Result<Option<NetworkOffers>> {
        let sql = format!(
            "SELECT DISTINCT n.ssid, o.sender, o.id, v.body FROM networks n JOIN routers r ON r.id = n.router
             LEFT JOIN offer_targets t ON t.org = r.org AND {MATCHES} {PUBLISHED}
             WHERE n.router = $1 AND n.id = $2 ORDER BY o.sender, o.id"
        );
        type Row = (Vec<u8>, Option<String>, Option<String>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(router.as_str())
            .bind(network.as_str())
            .fetch_all(&self.read)
            .await?;
        let Some((ssid, ..)) = rows.first() else { return Ok(None) };
        let ssid = Ssid::new(ssid).map_err(|_| StoreError::Unreadable("SSID"))?;
        let offers = rows.into_iter().filter_map(|(_, sender, _, body)| sender.zip(body)).map(read_row);
        let mut offers = offers.collect::<Result<Vec<_>>>()?;
        offers.retain(|row| row.offer.networks.is_empty() || row.offer.networks.contains(network));
        Ok(Some(NetworkOffers { ssid, offers }))
    }

    /// These revisions of routers' offers were written to their streams.
    pub(crate) async fn sent_offers(&self, sent: &[(RouterId, u64)]) -> Result<()> {
        // After a change for a whole organisation most have the same one.
        let mut by_revision: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for (router, revision) in sent {
            by_revision.entry(*revision).or_default().push(router.as_str());
        }
        let sql = format!("UPDATE routers SET offers_sent = $2 WHERE id IN ({})", self.dialect().texts(1));
        let mut tx = self.begin().await?;
        for (revision, routers) in by_revision {
            sqlx::query(AssertSqlSafe(sql.as_str()))
                .bind(write_json(&routers, "list of routers")?)
                .bind(int(revision))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The revision of a router's offers; `None` if there is no such router.
    pub(crate) async fn offers_revision(&self, router: &RouterId) -> Result<Option<u64>> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT offers_revision FROM routers WHERE id = $1")
            .bind(router.as_str())
            .fetch_optional(&self.read)
            .await?;
        row.map(|(revision,)| read_u64(revision, "revision")).transpose()
    }

    /// The offers of an organisation, those changed last first; or one of them.
    pub(crate) async fn org_offers(&self, org: &OrgId, one: Option<(Sender, &OfferId)>) -> Result<Vec<OrgOffer>> {
        type Row = (String, String, String, i64, Option<i64>, i64, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT o.sender, v.body, v.targets, o.version, o.published, o.archived, o.changed
             FROM offers o JOIN offer_versions v
                 ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.version
             WHERE o.org = $1 AND ($2 = '' OR (o.sender = $2 AND o.id = $3)) ORDER BY o.changed DESC, o.id",
        )
        .bind(org.as_str())
        .bind(one.map_or("", |(sender, _)| sender.as_str()))
        .bind(one.map_or("", |(_, id)| id.as_str()))
        .fetch_all(&self.read)
        .await?;
        let read = |(sender, body, targets, version, published, archived, changed): Row| {
            Ok(OrgOffer {
                sender: read_sender(&sender)?,
                offer: read_json(&body, "offer")?,
                targets: read_json(&targets, "targets")?,
                version: read_u64(version, "version")?,
                published: published.map(|p| read_u64(p, "version")).transpose()?,
                archived: archived != 0,
                changed: read_u64(changed, "time")?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The versions of an offer, newest first.
    pub(crate) async fn offer_versions(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
    ) -> Result<Vec<OfferVersion>> {
        let rows: Vec<(i64, String, String, String, i64)> = sqlx::query_as(
            "SELECT version, body, targets, author, at FROM offer_versions
             WHERE org = $1 AND sender = $2 AND offer = $3 ORDER BY version DESC",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .fetch_all(&self.read)
        .await?;
        let read = |(version, body, targets, author, at): (i64, String, String, String, i64)| {
            Ok(OfferVersion {
                version: read_u64(version, "version")?,
                offer: read_json(&body, "offer")?,
                targets: read_json(&targets, "targets")?,
                author,
                at: read_u64(at, "time")?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// How many routers each published offer is for, and of these how many have had their newest set written to their
    /// stream; by sender and offer.
    pub(crate) async fn offer_reach(&self, org: &OrgId) -> Result<BTreeMap<(Sender, OfferId), (u64, u64)>> {
        let sql = format!(
            "SELECT t.sender, t.offer, count(DISTINCT r.id),
                 count(DISTINCT CASE WHEN r.offers_sent = r.offers_revision THEN r.id END)
             FROM offer_targets t JOIN routers r ON r.org = t.org AND {MATCHES}
             WHERE t.org = $1 GROUP BY t.sender, t.offer"
        );
        let rows: Vec<(String, String, i64, i64)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(org.as_str()).fetch_all(&self.read).await?;
        let read = |(sender, offer, shall, has): (String, String, i64, i64)| {
            let reach = (read_u64(shall, "count")?, read_u64(has, "count")?);
            Ok(((read_sender(&sender)?, read_id(&offer, "offer")?), reach))
        };
        rows.into_iter().map(read).collect()
    }

    /// For which routers a published offer is: each with its name, whether its newest set was written to its stream, and
    /// how often it was shown there.
    pub(crate) async fn routers_of_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
    ) -> Result<Vec<(RouterId, String, bool, u64)>> {
        let sql = format!(
            "SELECT DISTINCT r.id, r.name, CASE WHEN r.offers_sent = r.offers_revision THEN 1 ELSE 0 END,
                 CAST((SELECT coalesce(sum(p.count), 0) FROM report_totals p
                  WHERE p.router = r.id AND p.what = 'shown' AND p.sender = $2 AND p.offer = $3) AS BIGINT)
             FROM routers r JOIN offer_targets t ON t.org = r.org AND {MATCHES}
             WHERE t.org = $1 AND t.sender = $2 AND t.offer = $3 ORDER BY r.id"
        );
        let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(org.as_str())
            .bind(sender.as_str())
            .bind(offer.as_str())
            .fetch_all(&self.read)
            .await?;
        let read = |(id, name, has, shown): (String, String, i64, i64)| {
            Ok((read_id(&id, "router id")?, name, has != 0, read_u64(shown, "count")?))
        };
        rows.into_iter().map(read).collect()
    }
}

/// Whether a target `t` names a router `r`.
pub(super) const MATCHES: &str = "(t.kind = 'all' OR (t.kind = 'router' AND t.value = r.id)
     OR (t.kind = 'tag' AND t.value IN (SELECT g.tag FROM router_tags g WHERE g.router = r.id)))";

/// The published version `v` of the offer `o` of a target `t`.
const PUBLISHED: &str = "LEFT JOIN offers o ON o.org = t.org AND o.sender = t.sender AND o.id = t.offer
     LEFT JOIN offer_versions v ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.published";

fn read_row((sender, body): (String, String)) -> Result<OfferRow> {
    Ok(OfferRow { sender: read_sender(&sender)?, offer: read_json(&body, "offer")? })
}
