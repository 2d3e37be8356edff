//! Networks of routers without our agent: a person speaks for them, as in the seed.

use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork};
use welcome_proto::{NetworkId, RouterId};

use super::audit::note;
use super::enrolment::own_area;
use super::networks::{put_bss, put_networks};
use super::{By, Result, Store, int};
use crate::ids::OrgId;
use crate::seal::Seal;

impl Store {
    /// Keeps a network that a person offers, on a plain router of its own.
    pub(crate) async fn share_plain(
        &self,
        seal: &Seal,
        org: &OrgId,
        router: &RouterId,
        name: &str,
        network: &AnnouncedNetwork,
        by: By<'_>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let area = own_area(&mut tx, org, name).await?;
        sqlx::query(
            "INSERT INTO routers (id, org, area, name, kind, vouched, version, enrolled)
             VALUES ($1, $2, $3, $4, 'plain', 0, '', $5)",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(area)
        .bind(name)
        .bind(int(by.at))
        .execute(&mut *tx)
        .await?;
        put_networks(&mut tx, seal, router, std::slice::from_ref(network)).await?;
        note(&mut tx, Some(org), by, "network.share", router.as_str(), network.id.as_str()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes what a person offers: BSSIDs that were proved stay so. `false` if the organisation has no such plain router.
    pub(crate) async fn change_plain(
        &self,
        seal: &Seal,
        org: &OrgId,
        router: &RouterId,
        network: &AnnouncedNetwork,
        by: By<'_>,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let known = sqlx::query("UPDATE routers SET seen = $3 WHERE id = $1 AND org = $2 AND kind = 'plain'")
            .bind(router.as_str())
            .bind(org.as_str())
            .bind(int(by.at))
            .execute(&mut *tx)
            .await?;
        if known.rows_affected() == 0 {
            return Ok(false);
        }
        put_networks(&mut tx, seal, router, std::slice::from_ref(network)).await?;
        note(&mut tx, Some(org), by, "network.change", router.as_str(), network.id.as_str()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes on which radios a person's network is: BSSIDs that were proved stay so. `false` if the organisation has no such
    /// network of a plain router.
    pub(crate) async fn change_plain_bss(
        &self,
        org: &OrgId,
        router: &RouterId,
        network: &NetworkId,
        bss: &[AnnouncedBss],
        by: By<'_>,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let known = sqlx::query(
            "UPDATE routers SET seen = $4 WHERE id = $1 AND org = $2 AND kind = 'plain'
             AND EXISTS (SELECT 1 FROM networks n WHERE n.router = $1 AND n.id = $3)",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(network.as_str())
        .bind(int(by.at))
        .execute(&mut *tx)
        .await?;
        if known.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM bss WHERE router = $1 AND network = $2")
            .bind(router.as_str())
            .bind(network.as_str())
            .execute(&mut *tx)
            .await?;
        put_bss(&mut tx, router, network, bss).await?;
        note(&mut tx, Some(org), by, "network.change", router.as_str(), network.as_str()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether a person speaks for this router; `None` if the organisation has none of that name.
    pub(crate) async fn is_plain(&self, org: &OrgId, router: &RouterId, network: &NetworkId) -> Result<Option<bool>> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT r.kind FROM routers r JOIN networks n ON n.router = r.id WHERE r.id = $1 AND r.org = $2 AND n.id = $3",
        )
        .bind(router.as_str())
        .bind(org.as_str())
        .bind(network.as_str())
        .fetch_optional(&self.read)
        .await?;
        Ok(row.map(|(kind,)| kind == "plain"))
    }
}
