//! What happened at the routers: totals for good, single reports for a while.

use sqlx::{Sqlite, Transaction};
use welcome_proto::RouterId;
use welcome_proto::report::{Report, ReportBatch, What};

use super::{Result, Store, int, length, read_json, read_u64, write_json};
use crate::store::Total;

impl Store {
    /// Counts a batch; one that was counted before changes nothing. `false` if there is no such router.
    pub(crate) async fn take_reports(&self, router: &RouterId, batch: &ReportBatch, now: u64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let known: Option<(i64,)> =
            sqlx::query_as("SELECT 1 FROM routers WHERE id = ?").bind(router.as_str()).fetch_optional(&mut *tx).await?;
        if known.is_none() {
            return Ok(false);
        }
        sqlx::query("DELETE FROM batches WHERE router = ? AND taken < ?")
            .bind(router.as_str())
            .bind(int(now.saturating_sub(BATCH_MEMORY)))
            .execute(&mut *tx)
            .await?;
        let new = sqlx::query("INSERT INTO batches (router, batch, taken) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(router.as_str())
            .bind(batch.batch.as_str())
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        if new.rows_affected() == 0 {
            return Ok(true);
        }
        for report in &batch.reports {
            count_report(&mut tx, router, report, now).await?;
        }
        sqlx::query(
            "DELETE FROM last_reports WHERE router = ?1 AND id <= (
                 SELECT id FROM last_reports WHERE router = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(router.as_str())
        .bind(length(LAST_REPORTS))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a router has reported: totals, and its last [`LAST_REPORTS`] reports with the time they came, newest first.
    pub(crate) async fn reports(&self, router: &RouterId) -> Result<Option<(Vec<Total>, Vec<(u64, Report)>)>> {
        let mut snapshot = self.read.begin().await?;
        let known: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM routers WHERE id = ?")
            .bind(router.as_str())
            .fetch_optional(&mut *snapshot)
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        let totals: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT network, what, sender, offer, count FROM report_totals WHERE router = ?
             ORDER BY network, what, sender, offer",
        )
        .bind(router.as_str())
        .fetch_all(&mut *snapshot)
        .await?;
        let last: Vec<(i64, String)> =
            sqlx::query_as("SELECT received, body FROM last_reports WHERE router = ? ORDER BY id DESC")
                .bind(router.as_str())
                .fetch_all(&mut *snapshot)
                .await?;
        let totals = totals.into_iter().map(|(network, what, sender, offer, count)| {
            Ok(Total { network, what, sender, offer, count: read_u64(count, "count")? })
        });
        let last = last.into_iter().map(|(at, body)| Ok((read_u64(at, "time")?, read_json(&body, "report")?)));
        Ok(Some((totals.collect::<Result<_>>()?, last.collect::<Result<_>>()?)))
    }
}

/// How many of a router's reports are kept one by one.
const LAST_REPORTS: usize = 100;
/// How long a batch is known again, in seconds; a router that was away for longer may be counted twice.
const BATCH_MEMORY: u64 = 90 * 86_400;

async fn count_report(tx: &mut Transaction<'_, Sqlite>, router: &RouterId, report: &Report, now: u64) -> Result<()> {
    let (what, sender, offer, count) = match &report.what {
        What::Arrived => ("arrived", "", "", 1),
        What::Left => ("left", "", "", 1),
        What::Shown { sender, offer } => ("shown", sender.as_str(), offer.as_str(), 1),
        What::Acknowledged => ("acknowledged", "", "", 1),
        What::Refused { sender, offer } => ("refused", sender.as_str(), offer.as_str(), 1),
        What::Dropped { count } => ("dropped", "", "", *count),
    };
    sqlx::query(
        "INSERT INTO report_totals (router, network, what, sender, offer, count) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )
    .bind(router.as_str())
    .bind(report.network.as_str())
    .bind(what)
    .bind(sender)
    .bind(offer)
    .bind(count)
    .execute(&mut **tx)
    .await?;
    sqlx::query("INSERT INTO last_reports (router, received, body) VALUES (?, ?, ?)")
        .bind(router.as_str())
        .bind(int(now))
        .bind(write_json(report, "report")?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
