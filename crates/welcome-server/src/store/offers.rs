//! What routers shall show: offers with their versions, and for which routers each is.
//!
//! An offer is written (a new version each time), published (routers with one of its targets have that version from then
//! on), and archived. Each change of a router's set gives the router another revision.

use serde::{Deserialize, Serialize};
use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::offer::{MAX_OFFERS, Offer, Sender};
use welcome_proto::signed::Statement;
use welcome_proto::{NetworkId, OfferId, RouterId, Ssid};

use super::audit::note;
use super::content::look_for_file;
use super::{By, Result, Store, StoreError, int, length, read_id, read_json, read_sender, read_u64, write_json};
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

/// What became of a change of an organisation's offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OfferChange {
    /// Some routers' sets are others from now on.
    Changed,
    /// The sets are as they were.
    Same,
    /// There is no such offer, version or router.
    NotFound,
    /// A router would have more of the sender than it takes.
    TooMany,
    /// It names a file that is not here, or is another; the text says which.
    NoFile(String),
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
        let mut tx = self.begin().await?;
        for (router, revision) in sent {
            sqlx::query("UPDATE routers SET offers_sent = $2 WHERE id = $1")
                .bind(router.as_str())
                .bind(int(*revision))
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

    /// Writes an offer, and publishes it if asked to.
    pub(crate) async fn put_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &Offer,
        targets: &Targets,
        publish: bool,
        by: By<'_>,
    ) -> Result<OfferChange> {
        let (body, targets) = (write_json(offer, "offer")?, write_json(targets, "targets")?);
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO offers (org, sender, id, version, changed) VALUES ($1, $2, $3, 0, $4)
             ON CONFLICT (org, sender, id) DO UPDATE SET changed = $4",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.id.as_str())
        .bind(int(by.at))
        .execute(&mut *tx)
        .await?;
        for file in offer.files() {
            if let Some(why) = look_for_file(&mut tx, file).await? {
                return Ok(OfferChange::NoFile(why));
            }
        }
        let same: Option<(i64,)> = sqlx::query_as(
            "SELECT v.version FROM offers o JOIN offer_versions v
                 ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.version
             WHERE o.org = $1 AND o.sender = $2 AND o.id = $3 AND v.body = $4 AND v.targets = $5",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.id.as_str())
        .bind(&body)
        .bind(&targets)
        .fetch_optional(&mut *tx)
        .await?;
        let version = match same {
            Some((version,)) => version,
            None => add_version(&mut tx, org, sender, &offer.id, (&body, &targets), by).await?,
        };
        let change = if publish {
            publish_version(&mut tx, org, sender, &offer.id, version, by).await?
        } else if same.is_none() {
            note(&mut tx, Some(org), by, "offer.write", offer.id.as_str(), &format!("version {version}")).await?;
            OfferChange::Same
        } else {
            OfferChange::Same
        };
        if matches!(change, OfferChange::Changed | OfferChange::Same) {
            tx.commit().await?;
        }
        Ok(change)
    }

    /// Publishes one version of an offer: the newest, or an earlier one to go back to.
    pub(crate) async fn publish_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
        version: u64,
        by: By<'_>,
    ) -> Result<OfferChange> {
        let mut tx = self.begin().await?;
        let change = publish_version(&mut tx, org, sender, offer, int(version), by).await?;
        if change == OfferChange::Changed {
            tx.commit().await?;
        }
        Ok(change)
    }

    /// Takes an offer from all routers; it stays to be read, and to be published again.
    pub(crate) async fn archive_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
        by: By<'_>,
    ) -> Result<OfferChange> {
        let mut tx = self.begin().await?;
        let archived = sqlx::query(
            "UPDATE offers SET archived = 1, published = NULL, changed = $4
             WHERE org = $1 AND sender = $2 AND id = $3 AND archived = 0",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .bind(int(by.at))
        .execute(&mut *tx)
        .await?;
        if archived.rows_affected() == 0 {
            return Ok(OfferChange::NotFound);
        }
        next_revision(&mut tx, org, sender, offer).await?;
        sqlx::query("DELETE FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3")
            .bind(org.as_str())
            .bind(sender.as_str())
            .bind(offer.as_str())
            .execute(&mut *tx)
            .await?;
        note(&mut tx, Some(org), by, "offer.archive", offer.as_str(), sender.as_str()).await?;
        tx.commit().await?;
        Ok(OfferChange::Changed)
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

/// The most bytes of statements that one sender may have on one router. A statement travels as a JSON string, in which a
/// byte becomes two at most; so two senders' statements and signatures stay below the 256 KiB that a router takes.
const MAX_STATEMENTS: usize = 60 * 1024;

/// Whether a target `t` names a router `r`.
const MATCHES: &str = "(t.kind = 'all' OR (t.kind = 'router' AND t.value = r.id)
     OR (t.kind = 'tag' AND t.value IN (SELECT g.tag FROM router_tags g WHERE g.router = r.id)))";

/// The published version `v` of the offer `o` of a target `t`.
const PUBLISHED: &str = "LEFT JOIN offers o ON o.org = t.org AND o.sender = t.sender AND o.id = t.offer
     LEFT JOIN offer_versions v ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.published";

fn read_row((sender, body): (String, String)) -> Result<OfferRow> {
    Ok(OfferRow { sender: read_sender(&sender)?, offer: read_json(&body, "offer")? })
}

async fn add_version(
    tx: &mut Transaction<'_, Any>,
    org: &OrgId,
    sender: Sender,
    offer: &OfferId,
    (body, targets): (&str, &str),
    by: By<'_>,
) -> Result<i64> {
    let (version,): (i64,) = sqlx::query_as(
        "UPDATE offers SET version = version + 1 WHERE org = $1 AND sender = $2 AND id = $3 RETURNING version",
    )
    .bind(org.as_str())
    .bind(sender.as_str())
    .bind(offer.as_str())
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO offer_versions (org, sender, offer, version, body, targets, author, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(org.as_str())
    .bind(sender.as_str())
    .bind(offer.as_str())
    .bind(version)
    .bind(body)
    .bind(targets)
    .bind(by.who)
    .bind(int(by.at))
    .execute(&mut **tx)
    .await?;
    Ok(version)
}

async fn publish_version(
    tx: &mut Transaction<'_, Any>,
    org: &OrgId,
    sender: Sender,
    offer: &OfferId,
    version: i64,
    by: By<'_>,
) -> Result<OfferChange> {
    let published: Option<(Option<i64>,)> =
        sqlx::query_as("UPDATE offers SET changed = $4 WHERE org = $1 AND sender = $2 AND id = $3 RETURNING published")
            .bind(org.as_str())
            .bind(sender.as_str())
            .bind(offer.as_str())
            .bind(int(by.at))
            .fetch_optional(&mut **tx)
            .await?;
    let Some((published,)) = published else { return Ok(OfferChange::NotFound) };
    if published == Some(version) {
        return Ok(OfferChange::Same);
    }
    let targets: Option<(String,)> = sqlx::query_as(
        "SELECT targets FROM offer_versions WHERE org = $1 AND sender = $2 AND offer = $3 AND version = $4",
    )
    .bind(org.as_str())
    .bind(sender.as_str())
    .bind(offer.as_str())
    .bind(version)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((targets,)) = targets else { return Ok(OfferChange::NotFound) };
    let former = kept_targets(tx, org, sender, offer).await?;
    let targets = flat_targets(&read_json(&targets, "targets")?);
    if !add_targets(tx, org, sender, offer, &targets).await? {
        return Ok(OfferChange::NotFound);
    }
    // At this point both are named: routers that will have it, and those that have it no longer.
    next_revision(tx, org, sender, offer).await?;
    for (kind, value) in former.iter().filter(|target| !targets.contains(target)) {
        sqlx::query(
            "DELETE FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3 AND kind = $4 AND value = $5",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .bind(kind)
        .bind(value)
        .execute(&mut **tx)
        .await?;
    }
    sqlx::query("UPDATE offers SET published = $4, archived = 0 WHERE org = $1 AND sender = $2 AND id = $3")
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .bind(version)
        .execute(&mut **tx)
        .await?;
    if is_too_much(tx, org, sender, offer).await? {
        return Ok(OfferChange::TooMany);
    }
    note(tx, Some(org), by, "offer.publish", offer.as_str(), &format!("{}, version {version}", sender.as_str()))
        .await?;
    Ok(OfferChange::Changed)
}

/// Kind and value, as they are kept.
fn flat_targets(targets: &Targets) -> Vec<(String, String)> {
    let all = targets.all.then(|| ("all".to_owned(), String::new()));
    let tags = targets.tags.iter().map(|tag| ("tag".to_owned(), tag.clone()));
    let routers = targets.routers.iter().map(|router| ("router".to_owned(), router.to_string()));
    all.into_iter().chain(tags).chain(routers).collect()
}

async fn kept_targets(
    tx: &mut Transaction<'_, Any>,
    org: &OrgId,
    sender: Sender,
    offer: &OfferId,
) -> Result<Vec<(String, String)>> {
    let kept = sqlx::query_as("SELECT kind, value FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3")
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .fetch_all(&mut **tx)
        .await?;
    Ok(kept)
}

/// `false` if one of the routers is not the organisation's.
async fn add_targets(
    tx: &mut Transaction<'_, Any>,
    org: &OrgId,
    sender: Sender,
    offer: &OfferId,
    targets: &[(String, String)],
) -> Result<bool> {
    for (kind, value) in targets {
        if kind == "router" {
            let (known,): (i64,) = sqlx::query_as("SELECT count(*) FROM routers WHERE id = $1 AND org = $2")
                .bind(value)
                .bind(org.as_str())
                .fetch_one(&mut **tx)
                .await?;
            if known == 0 {
                return Ok(false);
            }
        }
        sqlx::query(
            "INSERT INTO offer_targets (org, sender, offer, kind, value) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .bind(kind)
        .bind(value)
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

/// Gives every router for which this offer is another revision.
async fn next_revision(tx: &mut Transaction<'_, Any>, org: &OrgId, sender: Sender, offer: &OfferId) -> Result<()> {
    let sql = format!(
        "UPDATE routers SET offers_revision = offers_revision + 1 WHERE org = $1 AND id IN (
             SELECT r.id FROM routers r JOIN offer_targets t ON t.org = r.org AND {MATCHES}
             WHERE t.org = $1 AND t.sender = $2 AND t.offer = $3)"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether some router for which this offer is would have more of the sender than it takes.
async fn is_too_much(tx: &mut Transaction<'_, Any>, org: &OrgId, sender: Sender, offer: &OfferId) -> Result<bool> {
    // What a router gets is the statement; what it has beside the offer is the same for each of one sender.
    let empty = Offer::new(offer.clone(), "");
    let longest: RouterId = "r".repeat(64).parse().expect("64 letters are a router id");
    let statement = Statement { router: longest, sender, offer: empty.clone() };
    let beside = write_json(&statement, "statement")?.len() - write_json(&empty, "offer")?.len();
    let sql = format!(
        "SELECT count(*) FROM (
             SELECT m.router FROM (
                 SELECT DISTINCT r.id AS router, t.offer AS offer
                 FROM routers r JOIN offer_targets t ON t.org = r.org AND {MATCHES}
                 WHERE r.org = $1 AND t.sender = $2 AND r.id IN (
                     SELECT r.id FROM routers r JOIN offer_targets t ON t.org = r.org AND {MATCHES}
                     WHERE t.org = $1 AND t.sender = $2 AND t.offer = $3)) AS m
             JOIN offers o ON o.org = $1 AND o.sender = $2 AND o.id = m.offer
             JOIN offer_versions v ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.published
             GROUP BY m.router HAVING count(*) > $4 OR sum(octet_length(v.body) + $5) > $6) AS full_routers"
    );
    let (full,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
        .bind(org.as_str())
        .bind(sender.as_str())
        .bind(offer.as_str())
        .bind(length(MAX_OFFERS))
        .bind(length(beside))
        .bind(length(MAX_STATEMENTS))
        .fetch_one(&mut **tx)
        .await?;
    Ok(full > 0)
}
