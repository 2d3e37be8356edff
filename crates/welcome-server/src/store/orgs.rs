//! Organisations and their keys.

use super::audit::note;
use super::{By, Result, Store, int, read_id, read_u64};
use crate::ids::OrgId;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Org {
    pub(crate) id: OrgId,
    pub(crate) name: String,
    /// Seconds of Unix time.
    pub(crate) created: u64,
    /// Whether applications that the whole server allows may have its networks' keys.
    pub(crate) keys_to_all: bool,
}

/// The key pair of an organisation as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptKey {
    pub(crate) public: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl Store {
    /// Whether a server was ever started on this database.
    pub(crate) async fn was_started(&self) -> Result<bool> {
        let started: Option<(String,)> =
            sqlx::query_as("SELECT name FROM server WHERE name = 'started'").fetch_optional(&self.read).await?;
        Ok(started.is_some())
    }

    /// On the very first start keeps an organisation, so that there is one before anybody has set the server up.
    /// Of several processes that start at once, one does.
    pub(crate) async fn first_start(&self, id: &OrgId, key: &KeptKey, now: u64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let first = sqlx::query("INSERT INTO server (name, value) VALUES ('started', $1) ON CONFLICT DO NOTHING")
            .bind(now.to_be_bytes().to_vec())
            .execute(&mut *tx)
            .await?;
        if first.rows_affected() == 0 {
            return Ok(false);
        }
        insert(&mut tx, id, FIRST_NAME, key, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Adds an organisation.
    pub(crate) async fn add_org(&self, id: &OrgId, name: &str, key: &KeptKey, by: By<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        insert(&mut tx, id, name, key, by.at).await?;
        note(&mut tx, None, by, "organisation.add", id.as_str(), name).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every organisation, by name.
    pub(crate) async fn orgs(&self) -> Result<Vec<Org>> {
        let rows: Vec<OrgRow> = sqlx::query_as("SELECT id, name, created, keys_to_all FROM orgs ORDER BY name, id")
            .fetch_all(&self.read)
            .await?;
        rows.into_iter().map(read_org).collect()
    }

    /// One organisation.
    pub(crate) async fn org(&self, id: &OrgId) -> Result<Option<Org>> {
        let row: Option<OrgRow> = sqlx::query_as("SELECT id, name, created, keys_to_all FROM orgs WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.read)
            .await?;
        row.map(read_org).transpose()
    }

    /// Changes what an organisation is called, and whether applications of the whole server may have its keys. `false`
    /// if there is none.
    pub(crate) async fn change_org(&self, id: &OrgId, name: &str, keys_to_all: bool, by: By<'_>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let changed = sqlx::query("UPDATE orgs SET name = $2, keys_to_all = $3 WHERE id = $1")
            .bind(id.as_str())
            .bind(name)
            .bind(i64::from(keys_to_all))
            .execute(&mut *tx)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        let detail = format!("name {name:?}, keys to all applications {keys_to_all}");
        note(&mut tx, Some(id), by, "organisation.change", id.as_str(), &detail).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The key pair of an organisation.
    pub(crate) async fn org_key(&self, id: &OrgId) -> Result<Option<KeptKey>> {
        let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT public_key, sealed_key FROM orgs WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.read)
            .await?;
        Ok(row.map(|(public, sealed)| KeptKey { public, sealed }))
    }

    /// A value of the whole server; the first one that is given is kept.
    pub(crate) async fn server_value(&self, name: &str, first: &[u8]) -> Result<Vec<u8>> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO server (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(first)
            .execute(&mut *tx)
            .await?;
        let (value,): (Vec<u8>,) =
            sqlx::query_as("SELECT value FROM server WHERE name = $1").bind(name).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(value)
    }
}

/// Until somebody has set the server up.
const FIRST_NAME: &str = "My Wi-Fi";

type OrgRow = (String, String, i64, i64);

fn read_org((id, name, created, keys_to_all): OrgRow) -> Result<Org> {
    let id = read_id(&id, "organisation")?;
    Ok(Org { id, name, created: read_u64(created, "time")?, keys_to_all: keys_to_all != 0 })
}

async fn insert(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    id: &OrgId,
    name: &str,
    key: &KeptKey,
    now: u64,
) -> Result<()> {
    sqlx::query("INSERT INTO orgs (id, name, created, public_key, sealed_key) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.as_str())
        .bind(name)
        .bind(int(now))
        .bind(&key.public[..])
        .bind(&key.sealed[..])
        .execute(&mut **tx)
        .await?;
    Ok(())
}
