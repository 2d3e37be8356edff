//! Changes of what routers shall show: an offer is written, published, archived. See [`super::offers`] for what they mean.

use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::offer::{MAX_OFFERS, Offer, Sender};
use welcome_proto::signed::Statement;
use welcome_proto::{OfferId, RouterId};

use super::audit::note;
use super::content::look_for_file;
use super::offers::{MATCHES, Targets};
use super::{By, Result, Store, int, length, read_json, write_json};
use crate::ids::OrgId;

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
}

/// The most bytes of statements that one sender may have on one router. A statement travels as a JSON string, in which a
/// byte becomes two at most; so two senders' statements and signatures stay below the 256 KiB that a router takes.
const MAX_STATEMENTS: usize = 60 * 1024;

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
