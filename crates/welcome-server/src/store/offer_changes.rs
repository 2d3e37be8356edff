//! Changes of what routers shall show: an offer is written, published, archived. See [`super::offers`] for what they mean.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{Any, AssertSqlSafe, FromRow, SqlSafeStr, Transaction};
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
    /// There is no such offer or version.
    NotFound,
    /// One of the routers that it is for is not there.
    NoRouter,
    /// A router would have more of the sender than it takes.
    TooMany,
    /// It names a file that is not here, or is another; the text says which.
    NoFile(String),
}

/// One offer: the first three parameters of every statement here.
#[derive(Debug, Clone, Copy)]
struct One<'a> {
    org: &'a OrgId,
    sender: Sender,
    offer: &'a OfferId,
}

impl<'a> One<'a> {
    fn query(self, sql: impl SqlSafeStr) -> Query<'a, Any, AnyArguments> {
        sqlx::query(sql).bind(self.org.as_str()).bind(self.sender.as_str()).bind(self.offer.as_str())
    }

    fn query_as<O: for<'r> FromRow<'r, AnyRow>>(self, sql: impl SqlSafeStr) -> QueryAs<'a, Any, O, AnyArguments> {
        sqlx::query_as(sql).bind(self.org.as_str()).bind(self.sender.as_str()).bind(self.offer.as_str())
    }
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
        let one = One { org, sender, offer: &offer.id };
        let mut tx = self.begin().await?;
        one.query(
            "INSERT INTO offers (org, sender, id, version, changed) VALUES ($1, $2, $3, 0, $4)
             ON CONFLICT (org, sender, id) DO UPDATE SET changed = $4",
        )
        .bind(int(by.at))
        .execute(&mut *tx)
        .await?;
        for file in offer.files() {
            if let Some(why) = look_for_file(&mut tx, file).await? {
                return Ok(OfferChange::NoFile(why));
            }
        }
        let targets = write_json(targets, "targets")?;
        let (version, is_new) = version_with(&mut tx, one, offer, &targets, by).await?;
        let change = if publish {
            publish_version(&mut tx, one, version, by).await?
        } else {
            if is_new {
                note(&mut tx, Some(org), by, "offer.write", offer.id.as_str(), &format!("version {version}")).await?;
            }
            OfferChange::Same
        };
        if matches!(change, OfferChange::Changed | OfferChange::Same) {
            tx.commit().await?;
        }
        Ok(change)
    }

    /// Publishes one version of an offer as it is.
    pub(crate) async fn publish_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
        version: u64,
        by: By<'_>,
    ) -> Result<OfferChange> {
        publish_and_end(self.begin().await?, One { org, sender, offer }, int(version), by).await
    }

    /// Goes back to a version of an offer: what stood in it, and for whom, becomes the newest version, which is published.
    pub(crate) async fn publish_again(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
        version: u64,
        by: By<'_>,
    ) -> Result<OfferChange> {
        let one = One { org, sender, offer };
        let mut tx = self.begin().await?;
        // Nobody else changes it before we have ended.
        one.query("UPDATE offers SET changed = $4 WHERE org = $1 AND sender = $2 AND id = $3")
            .bind(int(by.at))
            .execute(&mut *tx)
            .await?;
        let kept: Option<(String, String)> = one
            .query_as(
                "SELECT body, targets FROM offer_versions
                 WHERE org = $1 AND sender = $2 AND offer = $3 AND version = $4",
            )
            .bind(int(version))
            .fetch_optional(&mut *tx)
            .await?;
        let Some((body, targets)) = kept else { return Ok(OfferChange::NotFound) };
        let (newest, is_new) = version_with(&mut tx, one, &read_json(&body, "offer")?, &targets, by).await?;
        if is_new {
            let detail = format!("version {version} again, as version {newest}");
            note(&mut tx, Some(org), by, "offer.restore", offer.as_str(), &detail).await?;
        }
        publish_and_end(tx, one, newest, by).await
    }

    /// Takes an offer from all routers; it stays to be read, and to be published again.
    pub(crate) async fn archive_offer(
        &self,
        org: &OrgId,
        sender: Sender,
        offer: &OfferId,
        by: By<'_>,
    ) -> Result<OfferChange> {
        let one = One { org, sender, offer };
        let mut tx = self.begin().await?;
        let archived = one
            .query(
                "UPDATE offers SET archived = 1, published = NULL, changed = $4
                 WHERE org = $1 AND sender = $2 AND id = $3 AND archived = 0",
            )
            .bind(int(by.at))
            .execute(&mut *tx)
            .await?;
        if archived.rows_affected() == 0 {
            return Ok(OfferChange::NotFound);
        }
        next_revision(&mut tx, one).await?;
        one.query("DELETE FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3").execute(&mut *tx).await?;
        note(&mut tx, Some(org), by, "offer.archive", offer.as_str(), sender.as_str()).await?;
        tx.commit().await?;
        Ok(OfferChange::Changed)
    }
}

/// The most bytes of statements that one sender may have on one router. A statement travels as a JSON string, in which a
/// byte becomes two at most; so two senders' statements and signatures stay below the 256 KiB that a router takes.
const MAX_STATEMENTS: usize = 60 * 1024;

/// The newest version, which holds this; a new one, unless it is as the newest is already.
async fn version_with(
    tx: &mut Transaction<'_, Any>,
    one: One<'_>,
    offer: &Offer,
    targets: &str,
    by: By<'_>,
) -> Result<(i64, bool)> {
    let body = write_json(offer, "offer")?;
    let same: Option<(i64,)> = one
        .query_as(
            "SELECT v.version FROM offers o JOIN offer_versions v
                 ON v.org = o.org AND v.sender = o.sender AND v.offer = o.id AND v.version = o.version
             WHERE o.org = $1 AND o.sender = $2 AND o.id = $3 AND v.body = $4 AND v.targets = $5",
        )
        .bind(&body)
        .bind(targets)
        .fetch_optional(&mut **tx)
        .await?;
    if let Some((version,)) = same {
        return Ok((version, false));
    }
    let (version,): (i64,) = one
        .query_as(
            "UPDATE offers SET version = version + 1 WHERE org = $1 AND sender = $2 AND id = $3 RETURNING version",
        )
        .fetch_one(&mut **tx)
        .await?;
    one.query(
        "INSERT INTO offer_versions (org, sender, offer, version, body, targets, author, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(version)
    .bind(body)
    .bind(targets)
    .bind(by.who)
    .bind(int(by.at))
    .execute(&mut **tx)
    .await?;
    for file in offer.files() {
        one.query(
            "INSERT INTO offer_files (org, sender, offer, version, digest) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(version)
        .bind(&file.digest.0[..])
        .execute(&mut **tx)
        .await?;
    }
    Ok((version, true))
}

/// Publishes a version, and keeps what was done in this transaction, unless routers have it already or cannot have it.
async fn publish_and_end(mut tx: Transaction<'_, Any>, one: One<'_>, version: i64, by: By<'_>) -> Result<OfferChange> {
    let change = publish_version(&mut tx, one, version, by).await?;
    if change == OfferChange::Changed {
        tx.commit().await?;
    }
    Ok(change)
}

async fn publish_version(tx: &mut Transaction<'_, Any>, one: One<'_>, version: i64, by: By<'_>) -> Result<OfferChange> {
    let published: Option<(Option<i64>,)> = one
        .query_as("UPDATE offers SET changed = $4 WHERE org = $1 AND sender = $2 AND id = $3 RETURNING published")
        .bind(int(by.at))
        .fetch_optional(&mut **tx)
        .await?;
    let Some((published,)) = published else { return Ok(OfferChange::NotFound) };
    if published == Some(version) {
        return Ok(OfferChange::Same);
    }
    let targets: Option<(String,)> = one
        .query_as("SELECT targets FROM offer_versions WHERE org = $1 AND sender = $2 AND offer = $3 AND version = $4")
        .bind(version)
        .fetch_optional(&mut **tx)
        .await?;
    let Some((targets,)) = targets else { return Ok(OfferChange::NotFound) };
    let former: Vec<(String, String)> = one
        .query_as("SELECT kind, value FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3")
        .fetch_all(&mut **tx)
        .await?;
    let targets = flat_targets(&read_json(&targets, "targets")?);
    if !add_targets(tx, one, &targets).await? {
        return Ok(OfferChange::NoRouter);
    }
    // At this point both are named: routers that will have it, and those that have it no longer.
    next_revision(tx, one).await?;
    for (kind, value) in former.iter().filter(|target| !targets.contains(target)) {
        one.query(
            "DELETE FROM offer_targets WHERE org = $1 AND sender = $2 AND offer = $3 AND kind = $4 AND value = $5",
        )
        .bind(kind)
        .bind(value)
        .execute(&mut **tx)
        .await?;
    }
    one.query("UPDATE offers SET published = $4, archived = 0 WHERE org = $1 AND sender = $2 AND id = $3")
        .bind(version)
        .execute(&mut **tx)
        .await?;
    if is_too_much(tx, one).await? {
        return Ok(OfferChange::TooMany);
    }
    let detail = format!("{}, version {version}", one.sender.as_str());
    note(tx, Some(one.org), by, "offer.publish", one.offer.as_str(), &detail).await?;
    Ok(OfferChange::Changed)
}

/// Kind and value, as they are kept.
fn flat_targets(targets: &Targets) -> Vec<(String, String)> {
    let all = targets.all.then(|| ("all".to_owned(), String::new()));
    let tags = targets.tags.iter().map(|tag| ("tag".to_owned(), tag.clone()));
    let routers = targets.routers.iter().map(|router| ("router".to_owned(), router.to_string()));
    all.into_iter().chain(tags).chain(routers).collect()
}

/// `false` if one of the routers is not the organisation's.
async fn add_targets(tx: &mut Transaction<'_, Any>, one: One<'_>, targets: &[(String, String)]) -> Result<bool> {
    for (kind, value) in targets {
        if kind == "router" {
            let (known,): (i64,) = sqlx::query_as("SELECT count(*) FROM routers WHERE id = $1 AND org = $2")
                .bind(value)
                .bind(one.org.as_str())
                .fetch_one(&mut **tx)
                .await?;
            if known == 0 {
                return Ok(false);
            }
        }
        one.query(
            "INSERT INTO offer_targets (org, sender, offer, kind, value) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(kind)
        .bind(value)
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

/// Gives every router for which this offer is another revision.
async fn next_revision(tx: &mut Transaction<'_, Any>, one: One<'_>) -> Result<()> {
    let sql = format!(
        "UPDATE routers SET offers_revision = offers_revision + 1 WHERE org = $1 AND id IN (
             SELECT r.id FROM routers r JOIN offer_targets t ON t.org = r.org AND {MATCHES}
             WHERE t.org = $1 AND t.sender = $2 AND t.offer = $3)"
    );
    one.query(AssertSqlSafe(sql)).execute(&mut **tx).await?;
    Ok(())
}

/// Whether some router for which this offer is would have more of the sender than it takes.
async fn is_too_much(tx: &mut Transaction<'_, Any>, one: One<'_>) -> Result<bool> {
    // What a router gets is the statement; what it has beside the offer is the same for each of one sender.
    let empty = Offer::new(one.offer.clone(), "");
    let longest: RouterId = "r".repeat(64).parse().expect("64 letters are a router id");
    let statement = Statement { router: longest, sender: one.sender, offer: empty.clone() };
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
    let (full,): (i64,) = one
        .query_as(AssertSqlSafe(sql))
        .bind(length(MAX_OFFERS))
        .bind(length(beside))
        .bind(length(MAX_STATEMENTS))
        .fetch_one(&mut **tx)
        .await?;
    Ok(full > 0)
}
