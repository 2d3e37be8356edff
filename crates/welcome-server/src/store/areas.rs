//! Areas: the networks of one place.

use welcome_proto::{AreaId, RouterId};

use super::audit::note;
use super::{By, Result, Store, int, read_id, read_u64};
use crate::ids::OrgId;

/// An area as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AreaRow {
    pub(crate) area: AreaId,
    pub(crate) name: String,
    /// How many of its BSSIDs a client has to hear.
    pub(crate) needed: u64,
    pub(crate) routers: u64,
    pub(crate) bssids: u64,
}

impl Store {
    /// The areas of an organisation, by name.
    pub(crate) async fn areas(&self, org: &OrgId) -> Result<Vec<AreaRow>> {
        let rows: Vec<(String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT a.id, a.name, a.needed, (SELECT count(*) FROM routers r WHERE r.area = a.id),
                 (SELECT count(*) FROM bss b JOIN routers r ON r.id = b.router WHERE r.area = a.id)
             FROM areas a WHERE a.org = $1 ORDER BY a.name, a.id",
        )
        .bind(org.as_str())
        .fetch_all(&self.read)
        .await?;
        let read = |(area, name, needed, routers, bssids): (String, String, i64, i64, i64)| {
            Ok(AreaRow {
                area: read_id(&area, "area")?,
                name,
                needed: read_u64(needed, "count")?,
                routers: read_u64(routers, "count")?,
                bssids: read_u64(bssids, "count")?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Adds an area.
    pub(crate) async fn add_area(&self, org: &OrgId, area: &AreaId, name: &str, needed: u64, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO areas (id, org, name, needed) VALUES ($1, $2, $3, $4)")
            .bind(area.as_str())
            .bind(org.as_str())
            .bind(name)
            .bind(int(needed))
            .execute(&mut *tx)
            .await?;
        note(&mut tx, Some(org), by, "area.add", area.as_str(), name).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes what an area is called and how much of it has to be heard. `false` if the organisation has none of that id.
    pub(crate) async fn change_area(
        &self,
        org: &OrgId,
        area: &AreaId,
        name: &str,
        needed: u64,
        by: By<'_>,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let changed = sqlx::query("UPDATE areas SET name = $3, needed = $4 WHERE id = $1 AND org = $2")
            .bind(area.as_str())
            .bind(org.as_str())
            .bind(name)
            .bind(int(needed))
            .execute(&mut *tx)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        note(&mut tx, Some(org), by, "area.change", area.as_str(), &format!("{name:?}, needed {needed}")).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Puts a router into an area; the one it left goes if nothing is in it. `false` if the organisation has not both.
    pub(crate) async fn move_router(&self, org: &OrgId, router: &RouterId, area: &AreaId, by: By<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let former: Option<(String,)> =
            sqlx::query_as("UPDATE routers SET name = name WHERE id = $1 AND org = $2 RETURNING area")
                .bind(router.as_str())
                .bind(org.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let moved = sqlx::query(
            "UPDATE routers SET area = $3 WHERE id = $1 AND org = $2
                 AND EXISTS (SELECT 1 FROM areas a WHERE a.id = $3 AND a.org = $2)",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(area.as_str())
        .execute(&mut *tx)
        .await?;
        let Some((former,)) = former.filter(|_| moved.rows_affected() > 0) else { return Ok(false) };
        sqlx::query("DELETE FROM areas WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM routers WHERE area = $1)")
            .bind(former)
            .execute(&mut *tx)
            .await?;
        note(&mut tx, Some(org), by, "router.move", router.as_str(), area.as_str()).await?;
        tx.commit().await?;
        Ok(true)
    }
}
