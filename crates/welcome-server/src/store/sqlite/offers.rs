//! What routers shall show. Each change of a router's set has a revision of its own.

use sqlx::{Sqlite, Transaction};
use welcome_proto::offer::{MAX_OFFERS, Offer, OffersPush};
use welcome_proto::{OfferId, RouterId};

use super::{Result, Store, length, read_json, read_u64, write_json};
use crate::store::OfferChange;

impl Store {
    /// The whole set of a router's offers; `None` if there is no such router.
    pub(crate) async fn offers(&self, router: &RouterId) -> Result<Option<OffersPush>> {
        // One statement, so that set and revision belong together.
        let rows: Vec<(i64, Option<String>)> = sqlx::query_as(
            "SELECT r.offers_revision, o.body FROM routers r LEFT JOIN offers o ON o.router = r.id
             WHERE r.id = ? ORDER BY o.id",
        )
        .bind(router.as_str())
        .fetch_all(&self.read)
        .await?;
        let Some((revision, _)) = rows.first() else { return Ok(None) };
        let revision = read_u64(*revision, "revision")?;
        let offers = rows.into_iter().filter_map(|(_, body)| body).map(|body| read_json(&body, "offer"));
        Ok(Some(OffersPush { revision, offers: offers.collect::<Result<_>>()? }))
    }

    /// Adds or replaces one offer of a router.
    pub(crate) async fn put_offer(&self, router: &RouterId, offer: &Offer) -> Result<OfferChange> {
        let body = write_json(offer, "offer")?;
        let mut tx = self.begin().await?;
        let (routers, count, bytes, same): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM routers WHERE id = ?1),
                 count(*) FILTER (WHERE id <> ?2),
                 coalesce(sum(octet_length(body)) FILTER (WHERE id <> ?2), 0),
                 count(*) FILTER (WHERE id = ?2 AND body = ?3)
             FROM offers WHERE router = ?1",
        )
        .bind(router.as_str())
        .bind(offer.id.as_str())
        .bind(&body)
        .fetch_one(&mut *tx)
        .await?;
        if routers == 0 {
            return Ok(OfferChange::NotFound);
        }
        if same > 0 {
            return Ok(OfferChange::Same);
        }
        if count >= length(MAX_OFFERS) || bytes + length(body.len()) > length(MAX_OFFERS_BYTES) {
            return Ok(OfferChange::TooMany);
        }
        sqlx::query("INSERT OR REPLACE INTO offers (router, id, body) VALUES (?, ?, ?)")
            .bind(router.as_str())
            .bind(offer.id.as_str())
            .bind(body)
            .execute(&mut *tx)
            .await?;
        next_revision(&mut tx, router).await?;
        tx.commit().await?;
        Ok(OfferChange::Changed)
    }

    /// Takes one offer of a router away.
    pub(crate) async fn delete_offer(&self, router: &RouterId, offer: &OfferId) -> Result<OfferChange> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM offers WHERE router = ? AND id = ?")
            .bind(router.as_str())
            .bind(offer.as_str())
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(OfferChange::NotFound);
        }
        next_revision(&mut tx, router).await?;
        tx.commit().await?;
        Ok(OfferChange::Changed)
    }
}

/// The most bytes of JSON in one router's set of offers: it holds the whole set in memory.
const MAX_OFFERS_BYTES: usize = 60 * 1024;

async fn next_revision(tx: &mut Transaction<'_, Sqlite>, router: &RouterId) -> Result<()> {
    sqlx::query("UPDATE routers SET offers_revision = offers_revision + 1 WHERE id = ?")
        .bind(router.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
