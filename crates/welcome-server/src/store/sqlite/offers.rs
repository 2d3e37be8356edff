//! What routers shall show. Each change of a router's set has a revision of its own.

use sqlx::{Sqlite, Transaction};
use welcome_proto::offer::{MAX_OFFERS, Offer, Sender};
use welcome_proto::signed::Statement;
use welcome_proto::{NetworkId, OfferId, RouterId, Ssid};

use super::content::look_for_file;
use super::{Result, Store, length, read_json, read_sender, read_u64, write_json};
use crate::store::{NetworkOffers, OfferChange, OfferRow, OfferSet, StoreError};

impl Store {
    /// The whole set of a router's offers; `None` if there is no such router.
    pub(crate) async fn offers(&self, router: &RouterId) -> Result<Option<OfferSet>> {
        // One statement, so that set and revision belong together.
        let rows: Vec<(i64, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT r.offers_revision, o.sender, o.body FROM routers r LEFT JOIN offers o ON o.router = r.id
             WHERE r.id = ? ORDER BY o.sender, o.id",
        )
        .bind(router.as_str())
        .fetch_all(&self.read)
        .await?;
        let Some((revision, ..)) = rows.first() else { return Ok(None) };
        let revision = read_u64(*revision, "revision")?;
        let rows = rows.into_iter().filter_map(|(_, sender, body)| sender.zip(body));
        Ok(Some(OfferSet { revision, offers: rows.map(read_row).collect::<Result<_>>()? }))
    }

    /// The offers of a router for one of its networks; `None` if the router does not announce it.
    pub(crate) async fn network_offers(&self, router: &RouterId, network: &NetworkId) -> Result<Option<NetworkOffers>> {
        let rows: Vec<(Vec<u8>, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT n.ssid, o.sender, o.body FROM networks n LEFT JOIN offers o ON o.router = n.router
             WHERE n.router = ? AND n.id = ? ORDER BY o.sender, o.id",
        )
        .bind(router.as_str())
        .bind(network.as_str())
        .fetch_all(&self.read)
        .await?;
        let Some((ssid, ..)) = rows.first() else { return Ok(None) };
        let ssid = Ssid::new(ssid).map_err(|_| StoreError::Unreadable("SSID"))?;
        let offers = rows.into_iter().filter_map(|(_, sender, body)| sender.zip(body)).map(read_row);
        let mut offers = offers.collect::<Result<Vec<_>>>()?;
        offers.retain(|row| row.offer.networks.is_empty() || row.offer.networks.contains(network));
        Ok(Some(NetworkOffers { ssid, offers }))
    }

    /// Adds or replaces one offer of a router.
    pub(crate) async fn put_offer(&self, router: &RouterId, sender: Sender, offer: &Offer) -> Result<OfferChange> {
        let body = write_json(offer, "offer")?;
        // What a router gets is the statement; what it has beside the offer is the same for each of one sender.
        let statement = Statement { router: router.clone(), sender, offer: offer.clone() };
        let beside = write_json(&statement, "statement")?.len() - body.len();
        let mut tx = self.begin().await?;
        let (routers, count, bytes, same): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM routers WHERE id = ?1),
                 count(*) FILTER (WHERE id <> ?3),
                 coalesce(sum(octet_length(body)) FILTER (WHERE id <> ?3), 0),
                 count(*) FILTER (WHERE id = ?3 AND body = ?4)
             FROM offers WHERE router = ?1 AND sender = ?2",
        )
        .bind(router.as_str())
        .bind(sender.as_str())
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
        let all_bytes = bytes + length(body.len()) + (count + 1) * length(beside);
        if count >= length(MAX_OFFERS) || all_bytes > length(MAX_STATEMENTS) {
            return Ok(OfferChange::TooMany);
        }
        for file in offer.files() {
            if let Some(why) = look_for_file(&mut tx, file).await? {
                return Ok(OfferChange::NoFile(why));
            }
        }
        sqlx::query("INSERT OR REPLACE INTO offers (router, sender, id, body) VALUES (?, ?, ?, ?)")
            .bind(router.as_str())
            .bind(sender.as_str())
            .bind(offer.id.as_str())
            .bind(body)
            .execute(&mut *tx)
            .await?;
        next_revision(&mut tx, router).await?;
        tx.commit().await?;
        Ok(OfferChange::Changed)
    }

    /// Takes one offer of a router away.
    pub(crate) async fn delete_offer(&self, router: &RouterId, sender: Sender, offer: &OfferId) -> Result<OfferChange> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM offers WHERE router = ? AND sender = ? AND id = ?")
            .bind(router.as_str())
            .bind(sender.as_str())
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

/// The most bytes of statements that one sender may have on one router. A statement travels as a JSON string, in which a
/// byte becomes two at most; so two senders' statements and signatures stay below the 256 KiB that a router takes.
const MAX_STATEMENTS: usize = 60 * 1024;

fn read_row((sender, body): (String, String)) -> Result<OfferRow> {
    Ok(OfferRow { sender: read_sender(&sender)?, offer: read_json(&body, "offer")? })
}

async fn next_revision(tx: &mut Transaction<'_, Sqlite>, router: &RouterId) -> Result<()> {
    sqlx::query("UPDATE routers SET offers_revision = offers_revision + 1 WHERE id = ?")
        .bind(router.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
