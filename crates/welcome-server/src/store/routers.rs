//! Routers as their operators see them.

use serde::Serialize;
use welcome_proto::{AreaId, RouterId};

use super::audit::note;
use super::{By, Result, Store, int, length, read_id, read_u64};
use crate::ids::OrgId;

/// A router as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RouterRow {
    pub(crate) router: RouterId,
    /// What people call it; may be empty.
    pub(crate) name: String,
    pub(crate) area: AreaId,
    pub(crate) vouched: bool,
    pub(crate) version: String,
    /// Seconds of Unix time, as all times here.
    pub(crate) enrolled: u64,
    /// Its last request; a stream counts to the minute.
    pub(crate) seen: Option<u64>,
    /// Of its last announce.
    pub(crate) generation: Option<u64>,
    /// How many it announces.
    pub(crate) networks: u64,
    /// Of its offers: the revision that there is, and the one that was written to its stream last.
    pub(crate) offers_revision: u64,
    pub(crate) offers_sent: Option<u64>,
    pub(crate) tags: Vec<String>,
}

/// Which routers are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct RouterFilter<'a> {
    /// Only this one.
    pub(crate) router: Option<&'a RouterId>,
    /// Part of the name or the id.
    pub(crate) text: &'a str,
    /// With this tag; empty: any.
    pub(crate) tag: &'a str,
    /// The page after this one.
    pub(crate) after: Option<&'a RouterId>,
}

impl Store {
    /// Routers of an organisation, in order of id.
    pub(crate) async fn routers(&self, org: &OrgId, filter: &RouterFilter<'_>, limit: usize) -> Result<Vec<RouterRow>> {
        type Row = (String, String, String, i64, String, i64, Option<i64>, Option<i64>, i64, i64, Option<i64>);
        // Apart, so that one is found by its key.
        let which = if filter.router.is_some() { "id = $3" } else { "$3 = ''" };
        let sql = format!(
            "SELECT id, name, area, vouched, version, enrolled, seen, generation,
                 (SELECT count(*) FROM networks n WHERE n.router = r.id), offers_revision, offers_sent
             FROM routers r
             WHERE org = $1 AND id > $2 AND {which} AND (lower(name) LIKE $4 ESCAPE '!' OR id LIKE $4 ESCAPE '!')
                 AND ($5 = '' OR EXISTS (SELECT 1 FROM router_tags t WHERE t.router = r.id AND t.tag = $5))
             ORDER BY id LIMIT $6"
        );
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(org.as_str())
            .bind(filter.after.map_or("", RouterId::as_str))
            .bind(filter.router.map_or("", RouterId::as_str))
            .bind(contains(filter.text))
            .bind(filter.tag)
            .bind(length(limit))
            .fetch_all(&self.read)
            .await?;
        let ids: Vec<_> = rows.iter().map(|row| row.0.as_str()).collect();
        let tags: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT router, tag FROM router_tags WHERE router IN ({}) ORDER BY router, tag",
            self.dialect().texts(1)
        )))
        .bind(super::write_json(&ids, "list of routers")?)
        .fetch_all(&self.read)
        .await?;
        rows.into_iter()
            .map(|(id, name, area, vouched, version, enrolled, seen, generation, networks, revision, sent)| {
                let time = |t: i64| read_u64(t, "time");
                Ok(RouterRow {
                    router: read_id(&id, "router id")?,
                    name,
                    area: read_id(&area, "area")?,
                    vouched: vouched != 0,
                    version,
                    enrolled: time(enrolled)?,
                    seen: seen.map(time).transpose()?,
                    generation: generation.map(|g| read_u64(g, "generation")).transpose()?,
                    networks: read_u64(networks, "count")?,
                    offers_revision: read_u64(revision, "revision")?,
                    offers_sent: sent.map(|s| read_u64(s, "revision")).transpose()?,
                    tags: tags.iter().filter(|(router, _)| *router == id).map(|(_, tag)| tag.clone()).collect(),
                })
            })
            .collect()
    }

    /// One router of an organisation.
    pub(crate) async fn router(&self, org: &OrgId, router: &RouterId) -> Result<Option<RouterRow>> {
        let filter = RouterFilter { router: Some(router), ..RouterFilter::default() };
        Ok(self.routers(org, &filter, 1).await?.pop())
    }

    /// Changes what a router is called and its tags. `false` if the organisation has none of that id.
    pub(crate) async fn change_router(
        &self,
        org: &OrgId,
        router: &RouterId,
        name: &str,
        tags: &[String],
        by: By<'_>,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Its tags choose its offers.
        let changed = sqlx::query(
            "UPDATE routers SET name = $3, offers_revision = offers_revision + 1 WHERE id = $1 AND org = $2",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(name)
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM router_tags WHERE router = $1").bind(router.as_str()).execute(&mut *tx).await?;
        for tag in tags {
            sqlx::query("INSERT INTO router_tags (router, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(router.as_str())
                .bind(tag)
                .execute(&mut *tx)
                .await?;
        }
        let detail = format!("name {name:?}, tags {}", tags.join(" "));
        note(&mut tx, Some(org), by, "router.change", router.as_str(), &detail).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// All tags of an organisation, and how many routers have each.
    pub(crate) async fn tags(&self, org: &OrgId) -> Result<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT t.tag, count(*) FROM router_tags t JOIN routers r ON r.id = t.router WHERE r.org = $1
             GROUP BY t.tag ORDER BY t.tag",
        )
        .bind(org.as_str())
        .fetch_all(&self.read)
        .await?;
        rows.into_iter().map(|(tag, count)| Ok((tag, read_u64(count, "count")?))).collect()
    }

    /// These routers have spoken.
    pub(crate) async fn saw(&self, routers: &[RouterId], now: u64) -> Result<()> {
        let ids: Vec<_> = routers.iter().map(RouterId::as_str).collect();
        let sql = format!("UPDATE routers SET seen = $2 WHERE id IN ({})", self.dialect().texts(1));
        let mut tx = self.begin().await?;
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(super::write_json(&ids, "list of routers")?)
            .bind(int(now))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A pattern for what contains this text, whatever the case.
pub(super) fn contains(text: &str) -> String {
    let escaped = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}
