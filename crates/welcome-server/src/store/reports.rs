//! What happened at the routers: totals for good, counts by the hour and single reports for a while.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{Any, AssertSqlSafe, Transaction};
use welcome_proto::RouterId;
use welcome_proto::report::{Report, ReportBatch, What};

use super::{Result, Store, int, length, many, read_json, read_u64, write_json};
use crate::ids::OrgId;

/// How often one thing happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    pub(crate) network: String,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) sender: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) offer: String,
    pub(crate) count: u64,
}

impl Store {
    /// Counts a batch; one that was counted before changes nothing. `false` if there is no such router.
    pub(crate) async fn take_reports(&self, router: &RouterId, batch: &ReportBatch, now: u64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let org: Option<(String,)> = sqlx::query_as("UPDATE routers SET seen = $2 WHERE id = $1 RETURNING org")
            .bind(router.as_str())
            .bind(int(now))
            .fetch_optional(&mut *tx)
            .await?;
        let Some((org,)) = org else { return Ok(false) };
        let new = sqlx::query("INSERT INTO batches (router, batch, taken) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(router.as_str())
            .bind(batch.batch.as_str())
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        if new.rows_affected() == 0 {
            return Ok(true);
        }
        if batch.reports.is_empty() {
            tx.commit().await?;
            return Ok(true);
        }
        let mut bodies = Vec::with_capacity(batch.reports.len());
        let mut totals = BTreeMap::new();
        let mut hours = BTreeMap::new();
        for report in &batch.reports {
            let (what, sender, offer, count) = what_was(&report.what);
            *totals.entry((report.network.as_str(), what, sender, offer)).or_insert(0) += count;
            *hours.entry((hour_of(report, now), report.network.as_str(), what)).or_insert(0) += count;
            bodies.push(write_json(report, "report")?);
        }
        let sql = format!("INSERT INTO last_reports (router, received, body) VALUES {}", many(bodies.len(), 2, 1));
        let mut last = sqlx::query(AssertSqlSafe(sql)).bind(router.as_str()).bind(int(now));
        for body in bodies {
            last = last.bind(body);
        }
        last.execute(&mut *tx).await?;
        count_totals(&mut tx, router, &totals).await?;
        count_hours(&mut tx, &org, router, &hours).await?;
        sqlx::query(
            "DELETE FROM last_reports WHERE router = $1 AND id <= (
                 SELECT id FROM last_reports WHERE router = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
        )
        .bind(router.as_str())
        .bind(length(LAST_REPORTS))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a router has reported: totals, and its last [`LAST_REPORTS`] reports with the time they came, newest first.
    pub(crate) async fn reports(
        &self,
        org: &OrgId,
        router: &RouterId,
    ) -> Result<Option<(Vec<Total>, Vec<(u64, Report)>)>> {
        let mut snapshot = self.begin_read().await?;
        let known: Option<(i64,)> = sqlx::query_as("SELECT CAST(1 AS BIGINT) FROM routers WHERE id = $1 AND org = $2")
            .bind(router.as_str())
            .bind(org.as_str())
            .fetch_optional(&mut *snapshot)
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        let totals: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT network, what, sender, offer, count FROM report_totals WHERE router = $1
             ORDER BY network, what, sender, offer",
        )
        .bind(router.as_str())
        .fetch_all(&mut *snapshot)
        .await?;
        let last: Vec<(i64, String)> =
            sqlx::query_as("SELECT received, body FROM last_reports WHERE router = $1 ORDER BY id DESC")
                .bind(router.as_str())
                .fetch_all(&mut *snapshot)
                .await?;
        let totals = totals.into_iter().map(|(network, what, sender, offer, count)| {
            Ok(Total { network, what, sender, offer, count: read_u64(count, "count")? })
        });
        let last = last.into_iter().map(|(at, body)| Ok((read_u64(at, "time")?, read_json(&body, "report")?)));
        Ok(Some((totals.collect::<Result<_>>()?, last.collect::<Result<_>>()?)))
    }

    /// What happened in an organisation from one hour (Unix time divided by 3600) on, up to another, which is not counted:
    /// hour, what, how often. Of one router, if given.
    pub(crate) async fn hours(
        &self,
        org: &OrgId,
        router: Option<&RouterId>,
        from: u64,
        until: u64,
    ) -> Result<Vec<(u64, String, u64)>> {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT hour, what, CAST(sum(count) AS BIGINT) FROM report_hours
             WHERE org = $1 AND hour >= $2 AND hour < $3 AND ($4 = '' OR router = $4)
             GROUP BY hour, what ORDER BY hour, what",
        )
        .bind(org.as_str())
        .bind(int(from))
        .bind(int(until))
        .bind(router.map_or("", RouterId::as_str))
        .fetch_all(&self.read)
        .await?;
        let read =
            |(hour, what, count): (i64, String, i64)| Ok((read_u64(hour, "hour")?, what, read_u64(count, "count")?));
        rows.into_iter().map(read).collect()
    }

    /// The newest reports of an organisation, after one that was seen before: number, router, when it came, what it was.
    pub(crate) async fn newest_reports(
        &self,
        org: &OrgId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, RouterId, u64, Report)>> {
        let rows: Vec<(i64, String, i64, String)> = sqlx::query_as(
            "SELECT l.id, l.router, l.received, l.body FROM last_reports l JOIN routers r ON r.id = l.router
             WHERE r.org = $1 AND l.id > $2 ORDER BY l.id DESC LIMIT $3",
        )
        .bind(org.as_str())
        .bind(after)
        .bind(length(limit))
        .fetch_all(&self.read)
        .await?;
        let read = |(id, router, at, body): (i64, String, i64, String)| {
            Ok((id, super::read_id(&router, "router id")?, read_u64(at, "time")?, read_json(&body, "report")?))
        };
        rows.into_iter().map(read).collect()
    }
}

/// How many of a router's reports are kept one by one.
const LAST_REPORTS: usize = 100;
/// How far back a router may place what it reports, in seconds: as long as its spool is worth anything.
const OLDEST: u64 = 30 * 86_400;
/// How far ahead; a router's clock may be off.
const NEWEST: u64 = 600;

/// The hour in which something happened: by the router's word, if that can be.
fn hour_of(report: &Report, now: u64) -> u64 {
    let can_be = |at: &u64| (now.saturating_sub(OLDEST)..=now + NEWEST).contains(at);
    report.at.filter(can_be).unwrap_or(now) / 3600
}

fn what_was(what: &What) -> (&'static str, &str, &str, i64) {
    match what {
        What::Arrived => ("arrived", "", "", 1),
        What::Left => ("left", "", "", 1),
        What::Shown { sender, offer } => ("shown", sender.as_str(), offer.as_str(), 1),
        What::Acknowledged => ("acknowledged", "", "", 1),
        What::Refused { sender, offer } => ("refused", sender.as_str(), offer.as_str(), 1),
        What::Dropped { count } => ("dropped", "", "", i64::from(*count)),
    }
}

/// Network, what, sender, offer; and how often.
type Totals<'a> = BTreeMap<(&'a str, &'a str, &'a str, &'a str), i64>;
/// Hour, network, what; and how often.
type Hours<'a> = BTreeMap<(u64, &'a str, &'a str), i64>;

async fn count_totals(tx: &mut Transaction<'_, Any>, router: &RouterId, totals: &Totals<'_>) -> Result<()> {
    let sql = format!(
        "INSERT INTO report_totals (router, network, what, sender, offer, count) VALUES {}
         ON CONFLICT (router, network, what, sender, offer) DO UPDATE SET count = report_totals.count + excluded.count",
        many(totals.len(), 1, 5)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(router.as_str());
    for ((network, what, sender, offer), count) in totals {
        query = query.bind(*network).bind(*what).bind(*sender).bind(*offer).bind(*count);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

async fn count_hours(tx: &mut Transaction<'_, Any>, org: &str, router: &RouterId, hours: &Hours<'_>) -> Result<()> {
    let sql = format!(
        "INSERT INTO report_hours (org, router, hour, network, what, count) VALUES {}
         ON CONFLICT (org, hour, router, network, what) DO UPDATE SET count = report_hours.count + excluded.count",
        many(hours.len(), 2, 4)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(org).bind(router.as_str());
    for ((hour, network, what), count) in hours {
        query = query.bind(int(*hour)).bind(*network).bind(*what).bind(*count);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
